/** The one of `possibleWords` that takes the fewest edits to become `givenWord`. */
export function closestString(givenWord: string, possibleWords: readonly string[]): string;
