// Random texts for the preprocessor: macros, conditions, repetitions, contexts and pasting. They are
// made so that most of them are right; what is wrong all the same must be so for NASM too.

/** A generator of numbers below `limit` that gives the same ones for the same seed. */
function randomNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    // Mulberry32.
    state = (state + 0x6D2B79F5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** What is around a line. */
interface Around {
  readonly depth: number;
  readonly isInMacro: boolean;
  readonly isInContext: boolean;
}

const names = ["a", "b", "c", "foo", "Foo", "x1", "eax", "e"];
const functions = [
  "%eval(1+2)",
  "%strlen('abc')",
  "%count(a,b)",
  "%sel(2,5,6)",
  "%str(a b)",
  "%tok('foo')",
  "%isdef(foo)",
  "%isempty()",
  "%num(5,3)",
  "%cond(1,a,b)",
  "%substr('hello',2,3)",
  "%strcat('a',\"b\")",
];

/** A random source. */
export function randomSource(seed: number): string {
  const below = randomNumbers(seed);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  const times = <T>(most: number, make: () => T): T[] =>
    Array.from({ length: below(most + 1) }, make);

  const atom = (around: Around): string => {
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        return pick(names);
      case 3:
      case 4:
        return pick(["0", "1", "2", "0x10", "7h", "1.5", "n1", "n2"]);
      case 5:
        return pick(["'ab'", '"c;d"', "`e\\n`", "''"]);
      case 6:
        return pick(["+", "-", "*", ":", "[", "]", "$", "(1)", "(a,b)", "{b}", "<<", "=="]);
      case 7:
        return pick(["%+", "%?", "%??", "%[a]", "%[foo]", "%[b]%[c]", "__LINE__", "%,", "%*?"]);
      case 8:
        return pick(functions);
      case 9:
        return around.isInContext ? pick(["%$x", "%{$x}", "%$y", "%$$x"]) : pick(names);
      case 10:
        return call(around);
      default:
        return around.isInMacro
          ? pick([
            "%1",
            "%2",
            "%0",
            "%{1}",
            "%%l",
            "%00",
            "%1",
            "%2",
            "%1%2",
            "e%1",
            "%1x",
            "%{1:1}",
          ])
          : ",";
    }
  };
  const words = (most: number, around: Around): string =>
    times(most, () => atom(around) + pick(["", " ", " ", "  "])).join("").trim() || "a";
  const argument = (around: Around): string =>
    pick([
      () => pick(names),
      () => pick(["1", "2", "a+1", "n1", "{1,2}", "(1,2)", "a b", "{}", "'x'", "", "%[b]"]),
      () => around.isInMacro ? pick(["%1", "e%1", "%2", "%{1}1"]) : "5",
      () => around.depth < 3 ? call({ ...around, depth: around.depth + 1 }) : "a",
    ])();
  const list = (around: Around): string =>
    Array.from({ length: 1 + below(3) }, () => argument(around)).join(pick([",", ", ", " , "]));
  const call = (around: Around): string =>
    around.depth > 4 ? "a" : `${pick(names)}(${list({ ...around, depth: around.depth + 1 })})`;

  const define = (around: Around): string => {
    const word = pick(["%define", "%define", "%idefine", "%xdefine", "%ixdefine"]);
    const name = around.isInContext && below(3) === 0 ? pick(["%$x", "%$y"]) : pick(names);
    const parameters = pick(["", "", "", "(a)", "(b,c)", "(x)", "(&b)", "(&&b)", "(b,c+)", "(!b)"]);
    return `${word} ${name}${parameters} ${words(5, around)}`;
  };
  const compute = (): string =>
    pick([
      () =>
        `${pick(["%assign", "%iassign"])} ${pick(["n1", "n2"])} ${
          pick(["1", "2*3", "n1+1", "n2-n1"])
        }`,
      () => `%defstr ${pick(names)} ${pick(["x y", "a", "'q'", "5 , 6", ""])}`,
      () => `%deftok ${pick(names)} ${pick(["'a'", "'1+2'", '"foo b"', "''", "'%1'"])}`,
      () => `%strlen n1 ${pick(["'abc'", '""', "`\\n`", "'a' 'b'"])}`,
      () => `%strcat ${pick(names)} ${pick(["'a', 'b'", "'a' \"b\"", "`x`", "'it', \"'s\""])}`,
      () => `%substr ${pick(names)} 'hello' ${below(7) - 3},${below(7) - 3}`,
      () => `%undef ${pick(names)}`,
      () => `%defalias ${pick(["p", "q"])} ${pick(names)}`,
    ])();
  const test = (around: Around): string => {
    const not = pick(["", "n"]);
    switch (below(6)) {
      case 0:
        return `if${not} ${pick(["0", "1", "n1 > 1", "n1 == n2", "'a' == 'a'", "n1 && !n2"])}`;
      case 1:
        return `if${not}${pick(["def", "macro", "ctx"])} ${pick([...names, "m", "n"])}`;
      case 2:
      case 3: {
        const text = around.isInMacro
          ? pick(["%1", "%2", "%0", "e%1"])
          : pick(["", "a", "-5", "'x'"]);
        return `if${not}${pick(["id", "num", "str", "empty", "token"])} ${text}`;
      }
      case 4:
        return `if${not}idn${pick(["", "i"])} ${argument(around)},${argument(around)}`.replace(
          /,$/,
          ",a",
        );
      default:
        return around.isInMacro ? `if %0 > ${below(3)}` : "if 1";
    }
  };

  const block = (around: Around): string[] =>
    Array.from({ length: 1 + below(4) }, () => statement({ ...around, depth: around.depth + 1 }))
      .flat();
  const statement = (around: Around): string[] => {
    const kind = around.depth > 3 ? below(7) : below(13);
    switch (kind) {
      case 0:
      case 1:
        return [define(around)];
      case 2:
        return [compute()];
      case 3:
        return [`${pick(["m", "M", "n", "l: m", "n", "l n"])} ${list(around)}`];
      case 7:
      case 8:
        return [
          `%${test(around)}`,
          ...block(around),
          ...(below(2) ? [`%el${test(around)}`, ...block(around)] : []),
          ...(below(2) ? ["%else", ...block(around)] : []),
          "%endif",
        ];
      case 9:
        return [`%rep ${below(4)}`, ...block(around), ...(below(4) ? [] : ["%exitrep"]), "%endrep"];
      case 10:
      case 11: {
        const inside = { ...around, isInMacro: true };
        const counts = [
          "0",
          "1",
          "2",
          "0-1",
          "1-2",
          "1-*",
          "1+",
          "0-2+",
          "1-2 7",
          "2-3 a,b",
          "0-*",
        ];
        const last = pick(["", "", "%rotate 1", "%exitmacro", "%rotate -1"]);
        return [
          `${pick(["%macro", "%macro", "%imacro"])} ${pick(["m", "n", "M"])} ${pick(counts)}`,
          ...block(inside),
          ...(last ? [`%if %0 > 0\n${last}\n%endif`, "dw %1,%2"] : []),
          "%endmacro",
        ];
      }
      case 12:
        return [
          `%push ${pick(names)}`,
          "%define %$x 5",
          "%push",
          `%define %$x ${pick(names)}`,
          ...block({ ...around, isInContext: true }),
          "%pop",
          "%pop",
        ];
      default:
        return [`dw ${words(6, around)}`];
    }
  };
  const top = { depth: 0, isInMacro: false, isInContext: false };
  return `%assign n1 1\n%assign n2 2\n${
    Array.from({ length: 8 }, () => statement(top)).flat().join("\n")
  }\n`;
}
