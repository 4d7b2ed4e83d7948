/** How many characters must be put in, taken out or changed to make `str2` of `str1`. */
export function levenshteinDistance(str1: string, str2: string): number;
