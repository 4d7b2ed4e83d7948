import type { Call, Reporter } from "./multi.ts";
import { type Token, token } from "./token.ts";

/**
 * What stands for a token such as `%1`, `%0`, `%-1`, `%{1:3}` or `%%label` in the body of a macro.
 *
 * @param part The token: a `parameter` or a `label`.
 * @param call The call of the macro.
 * @param reporter Told what is wrong; then nothing stands for it.
 */
export function substituted(part: Token, call: Call, reporter: Reporter): readonly Token[] {
  if (part.type === "label") return [token("id", `..@${call.number}.${part.text.slice(2)}`)];
  const text = part.text.slice(1);
  if (text === "0") return [token("number", String(call.count))];
  if (text === "00") return call.label;
  if (/^[1-9]\d*$/.test(text)) return parameter(call, Number(text));
  const range = /^(-?\d+):(-?\d+)$/.exec(text);
  if (range) {
    const tokens = parameters(call, Number(range[1]), Number(range[2]));
    if (!tokens) reporter.fail(`%{${text}} is out of the range of the parameters`);
    return tokens ?? [];
  }
  if (/^[-+]\d+$/.test(text)) return conditionCode(call, part.text, reporter);
  reporter.fail(`%{${text}} is no parameter of a macro`);
  return [];
}

/** A parameter by its number, from 1, as `%rotate` has turned them. */
function parameter({ values, rotation, count }: Call, number: number): readonly Token[] {
  return number >= 1 && number <= count ? values[(number - 1 + rotation) % count] ?? [] : [];
}

/** The parameters from one to another with commas between them; −1 is the last one. */
function parameters(call: Call, from: number, to: number): Token[] | undefined {
  const { count } = call;
  const isOutside = (number: number) => number === 0 || Math.abs(number) > count;
  if (isOutside(from) || isOutside(to)) return undefined;
  const first = from < 0 ? from + count + 1 : from;
  const last = to < 0 ? to + count + 1 : to;
  const step = first < last ? 1 : -1;
  const result = [...parameter(call, first)];
  for (let number = first; number !== last;) {
    number += step;
    result.push(token("operator", ","), ...parameter(call, number));
  }
  return result;
}

/** `%+1` is the condition code that is a parameter, `%-1` its inverse. */
function conditionCode(call: Call, name: string, reporter: Reporter): readonly Token[] {
  const isInverse = name.startsWith("%-");
  const words = parameter(call, Number(name.slice(2))).filter(({ type }) => type !== "space");
  const code = words.length === 1 && words[0]!.type === "id" ? words[0]!.text.toLowerCase() : "";
  const inverse = inverses.get(code);
  if (inverse === undefined || (isInverse && inverse === "")) {
    reporter.fail(
      inverse === undefined
        ? `The parameter ${name} is no condition code`
        : `The condition code ${code} has no inverse`,
    );
    return [];
  }
  return [token("id", isInverse ? inverse : code)];
}

/** Condition codes and their inverses; the last few have none. */
const inverses = new Map<string, string>();
for (
  const pair of ("a na|ae nae|b nb|be nbe|c nc|e ne|g ng|ge nge|l nl|le nle|o no|p np|s ns|z nz|" +
    "pe po").split("|")
) {
  const [code, inverse] = pair.split(" ") as [string, string];
  inverses.set(code, inverse).set(inverse, code);
}
for (const code of ["cxz", "ecxz", "rcxz"]) inverses.set(code, "");
