// The parts of the program import each other in one direction only.
import { assert, assertEquals } from "@std/assert";

/** What each part may import besides itself. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  cli: ["machine", "guest", "x86", "asm", "kvm"],
  machine: ["guest", "x86", "asm", "kvm"],
  guest: ["asm", "x86", "kvm"],
  x86: ["kvm"],
  asm: [],
  kvm: [],
};

/** One file below `src/` imports another: `kvm/vm.ts`. */
interface Import {
  from: string;
  to: string;
}

/** The imports that the rule forbids. */
function violations(imports: Import[]): string[] {
  const partOf = (file: string) => file.split("/")[0]!;
  return imports
    .filter(({ from, to }) => {
      const mayImport = allowed[partOf(from)];
      return mayImport !== undefined && ![partOf(from), ...mayImport].includes(partOf(to));
    })
    .map(({ from, to }) => `${from} imports ${to}`);
}

const SRC = new URL("../src/", import.meta.url).href;
/** What `@std/…` resolves to. */
const STD = `${SRC}std/`;

/** Every module below `src/`. */
async function modules(folder = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, SRC))) {
    if (isDirectory) found.push(...await modules(`${folder}${name}/`));
    else if (name.endsWith(".ts")) found.push(folder + name);
  }
  return found;
}

interface ModuleGraph {
  modules: {
    specifier: string;
    dependencies?: {
      code?: { specifier?: string };
      type?: { specifier?: string };
      /** Loaded at run time, when the program comes to it. */
      isDynamic?: boolean;
    }[];
  }[];
}

async function graphOf(root: string): Promise<ModuleGraph> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", "--config", new URL("../deno.json", SRC).pathname, root],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Every import below `src/` as Deno resolves it, those of types and at run time included. */
async function importsOf(files: string[]): Promise<Import[]> {
  const root = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(root, files.map((file) => `import "${SRC}${file}";`).join("\n"));
    const graph = await graphOf(root);
    return graph.modules.flatMap(({ specifier: from, dependencies = [] }) =>
      dependencies
        .flatMap(({ code, type }) => [code?.specifier, type?.specifier])
        .filter((to) => to?.startsWith(SRC) && !to.startsWith(STD) && from.startsWith(SRC))
        .map((to) => ({ from: from.slice(SRC.length), to: to!.slice(SRC.length) }))
    );
  } finally {
    await Deno.remove(root);
  }
}

/** The modules below `src/` that are loaded before a file's first line runs. */
async function loadedWith(file: string): Promise<Set<string>> {
  const { modules } = await graphOf(SRC + file);
  const loaded = new Set([SRC + file]);
  for (const from of loaded) {
    const { dependencies = [] } = modules.find(({ specifier }) => specifier === from) ?? {};
    for (const { code, isDynamic } of dependencies) {
      if (code?.specifier !== undefined && !isDynamic) loaded.add(code.specifier);
    }
  }
  return new Set(
    [...loaded].filter((url) => url.startsWith(SRC)).map((url) => url.slice(SRC.length)),
  );
}

Deno.test("the parts import each other only in the direction of the design", async () => {
  const files = (await modules()).filter((file) => !file.startsWith("std/"));
  const imports = await importsOf(files);
  const importing = new Set(imports.map(({ from }) => from.split("/")[0]!));
  assertEquals(Object.keys(allowed).filter((part) => !importing.has(part)), []);
  assertEquals(violations(imports), []);
});

Deno.test("every folder of src has its place in the design", async () => {
  const folders = new Set((await modules()).map((file) => file.split("/")[0]!));
  assertEquals([...folders].filter((name) => !(name in allowed)).sort(), ["mod.ts", "std"]);
});

Deno.test("an import in the wrong direction is a violation", () => {
  const wrong = [
    { from: "kvm/vm.ts", to: "x86/mod.ts" },
    { from: "kvm/vm.ts", to: "asm/mod.ts" },
    { from: "asm/lexer.ts", to: "kvm/mod.ts" },
    { from: "asm/instructions/general.ts", to: "guest/mod.ts" },
    { from: "x86/mode.ts", to: "guest/mod.ts" },
    { from: "guest/program.ts", to: "machine/mod.ts" },
    { from: "machine/machine.ts", to: "cli/run.ts" },
    { from: "machine/machine.ts", to: "mod.ts" },
  ];
  const right = [
    { from: "kvm/vm.ts", to: "kvm/error.ts" },
    { from: "machine/machine.ts", to: "kvm/mod.ts" },
    { from: "mod.ts", to: "kvm/mod.ts" },
  ];
  assertEquals(
    violations([...wrong, ...right]),
    wrong.map(({ from, to }) => `${from} imports ${to}`),
  );
});

Deno.test("an import is found wherever it stands", async () => {
  const imports = await importsOf(["mod.ts"]);
  const has = (from: string, to: string) =>
    imports.some((found) => found.from === from && found.to === to);
  assert(has("mod.ts", "kvm/mod.ts"));
  // Only a type is imported here.
  assert(has("kvm/descriptor.ts", "kvm/ioctl.ts"));
});

Deno.test("the example loads nothing that only other commands need", async () => {
  const loaded = await loadedWith("cli/hello.ts");
  assert(loaded.has("asm/assembler.ts"));
  const others = [
    "asm/preprocess.ts",
    "asm/preprocess/preprocessor.ts",
    "guest/elf.ts",
    "machine/describe_exit.ts",
    "x86/cpuid.ts",
    "x86/disassemble.ts",
  ];
  const existing = await modules();
  assertEquals(others.filter((file) => !existing.includes(file)), []);
  assertEquals(others.filter((file) => loaded.has(file)), []);
});
