/** System instructions (SDM volume 1, §5.20); the notation is told in `../instructions.ts`. */
export const system = `
hlt  F4
cpuid  0F A2
rdmsr  0F 32
wrmsr  0F 30
rdtsc  0F 31
lgdt  m  0F 01 /2
lidt  m  0F 01 /3
sgdt  m  0F 01 /0
sidt  m  0F 01 /1
invlpg  m  0F 01 /7
wbinvd  0F 09
invd  0F 08
`;
