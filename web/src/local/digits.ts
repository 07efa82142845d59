/** Digits of all scripts: people type the ones of their keyboard. */

const DIGIT = /\p{Nd}/gu
/** What leads a number to another country, in full width as well. */
const PLUS = /[＋﹢⁺]/gu

/** The same text with the digits that a machine reads: Arabic-Indic, Persian, Devanagari, full-width and all others. */
export function asciiDigits(text: string): string {
  return text.replace(PLUS, '+').replace(DIGIT, (digit) => String(valueOf(digit)))
}

/** The digits of a code or PIN alone, `most` at most: blanks and dashes come with a copied one. */
export function digitsOf(text: string, most = Infinity): string {
  return asciiDigits(text)
    .replace(/[^0-9]/g, '')
    .slice(0, most)
}

/** Unicode has the ten digits of a script in a row that begins with zero; some rows touch the next. */
function valueOf(digit: string): number {
  const point = digit.codePointAt(0) ?? 0
  let first = point
  while (isDigit(first - 1)) first--
  return (point - first) % 10
}

function isDigit(point: number): boolean {
  return /\p{Nd}/u.test(String.fromCodePoint(point))
}
