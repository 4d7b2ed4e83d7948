/**
 * Runs the examples in the documentation. They make virtual machines: without `/dev/kvm` they are
 * type-checked only, unless `HLT_REQUIRE_KVM=1` forbids that.
 *
 * @module
 */

const SOURCES = ["README.md", "src"];

const hasKvm = await Deno.stat("/dev/kvm").then(() => true, () => false);
const runs = hasKvm || Deno.env.get("HLT_REQUIRE_KVM") === "1";
if (!runs) console.error("The examples are only type-checked: there is no /dev/kvm");
const { code } = await new Deno.Command(Deno.execPath(), {
  args: runs ? ["test", "--allow-all", "--doc", ...SOURCES] : ["check", "--doc", ...SOURCES],
}).spawn().status;
Deno.exit(code);
