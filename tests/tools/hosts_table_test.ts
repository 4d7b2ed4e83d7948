import { assertEquals, assertThrows } from "@std/assert";
import type { Info } from "../../src/cli/info.ts";
import { hostsRow, rowsOf, withRows } from "../../tools/hosts_table.ts";

const yes = { works: true } as const;
const no = { works: false, reason: "it is a test" } as const;
const all = { ...yes, singleStep: yes, hardwareBreakpoint: yes, softwareBreakpoint: yes };
const none = { ...no, singleStep: no, hardwareBreakpoint: no, softwareBreakpoint: no };

const found = (model: string): Info =>
  ({
    exitCode: 0,
    host: { backend: "kvm_amd", cpu: { model } },
    kvm: {
      modes: {
        real: { ...all, softwareBreakpoint: no },
        protected: { ...all, hardwareBreakpoint: no, softwareBreakpoint: no },
        paged: none,
        long: { ...all, softwareBreakpoint: no },
      },
    },
  }) as unknown as Info;

Deno.test("hostsRow() counts the modes that run, and names those where a facility works", () => {
  assertEquals(
    hostsRow(found("AMD EPYC")),
    ["`kvm_amd`", "yes", "yes", "no", "yes", "yes", "real, long", "no"],
  );
});

Deno.test("hostsRow() keeps QEMU's software CPU apart from a real one", () => {
  assertEquals(
    hostsRow(found("QEMU TCG CPU version 2.5+"))[0],
    "`kvm_amd` on QEMU's software CPU",
  );
});

Deno.test("hostsRow() refuses a host without KVM", () => {
  assertThrows(() => hostsRow({ exitCode: 3, error: "Cannot open" }), Error, "Cannot open");
});

Deno.test("withRows() replaces the row of a host and keeps the others", () => {
  const table = withRows("", [["`a`", "1"], ["`b`", "2"]]);
  assertEquals(rowsOf(table), [["`a`", "1"], ["`b`", "2"]]);
  assertEquals(rowsOf(withRows(table, [["`a`", "3"], ["`c`", "4"]])), [
    ["`a`", "3"],
    ["`b`", "2"],
    ["`c`", "4"],
  ]);
});
