// deno-lint-ignore-file no-console
console.log(1);
