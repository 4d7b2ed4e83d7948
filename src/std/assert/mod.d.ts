/** Thrown by every assertion that fails. */
export class AssertionError extends Error {}
type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;
export function assert(expression: unknown, message?: string): asserts expression;
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void;
export function assertEquals<T>(actual: T, expected: T, message?: string): void;
export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T>;
export function assertFalse(expression: unknown, message?: string): asserts expression is false;
export function assertGreater<T>(actual: T, expected: T, message?: string): void;
export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void;
export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: abstract new (...args: never[]) => T,
  message?: string,
): asserts actual is T;
export function assertLess<T>(actual: T, expected: T, message?: string): void;
export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void;
export function assertMatch(actual: string, expected: RegExp, message?: string): void;
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
export function assertNotMatch(actual: string, expected: RegExp, message?: string): void;
export function assertObjectMatch(actual: object, expected: object, message?: string): void;
export function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
): Promise<E>;
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T;
export function assertStringIncludes(actual: string, expected: string, message?: string): void;
export function assertThrows<E extends Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
): E;
export function fail(message?: string): never;
