import { assertEquals } from "@std/assert";
import { archive } from "../../../tools/lab/cpio.ts";
import { lacking } from "../../../tools/lab/image.ts";

const lacksCpio = lacking().includes("busybox");

Deno.test({
  name: "archive() writes what cpio unpacks" + (lacksCpio ? " (skipped: no busybox)" : ""),
  ignore: lacksCpio,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const first = archive([
        { kind: "file", path: "/a/b/odd", content: "12345" },
        {
          kind: "file",
          path: "/a/program",
          executable: true,
          content: "a\0b",
        },
        { kind: "directory", path: "/a/empty" },
        { kind: "symlink", path: "/link", target: "a/b" },
        { kind: "file", path: "/this", content: { file: import.meta.filename! } },
        { kind: "file", path: "/none", content: "" },
      ]);
      await Deno.writeFile(`${folder}/x.cpio`, ReadableStream.from(first));
      const { success } = await new Deno.Command("busybox", {
        args: ["cpio", "-i", "-F", "x.cpio"],
        cwd: folder,
      }).output();
      assertEquals(success, true);
      assertEquals(Deno.readTextFileSync(`${folder}/a/b/odd`), "12345");
      assertEquals(Deno.readTextFileSync(`${folder}/link/odd`), "12345");
      assertEquals(Deno.readTextFileSync(`${folder}/a/program`), "a\0b");
      assertEquals(Deno.statSync(`${folder}/a/program`).mode! & 0o7777, 0o755);
      assertEquals(Deno.statSync(`${folder}/a/b/odd`).mode! & 0o7777, 0o644);
      assertEquals(Deno.statSync(`${folder}/a/empty`).isDirectory, true);
      assertEquals(Deno.statSync(`${folder}/none`).size, 0);
      assertEquals(
        Deno.readTextFileSync(`${folder}/this`),
        Deno.readTextFileSync(import.meta.filename!),
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("archive() has a length that another archive can follow", () => {
  for (const content of ["", "1", "12", "123", "1234"]) {
    const bytes = [...archive([{ kind: "file", path: `/${content}`, content }])];
    assertEquals(bytes.reduce((sum, { length }) => sum + length, 0) % 4, 0);
  }
});
