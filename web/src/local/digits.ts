/** Digits of all scripts, since people type those of their keyboard. */

const DIGIT = /\p{Nd}/gu
/** Other forms of the plus sign, such as full-width. */
const PLUS = /[＋﹢⁺]/gu

/** The text with ASCII digits instead of Arabic-Indic, Persian, Devanagari, full-width and all others. */
export function asciiDigits(text: string): string {
  return text.replace(PLUS, '+').replace(DIGIT, (digit) => String(valueOf(digit)))
}

/** The digits of a code or PIN only, at most `most`: a copied one may contain blanks and dashes. */
export function digitsOf(text: string, most = Infinity): string {
  return asciiDigits(text)
    .replace(/[^0-9]/g, '')
    .slice(0, most)
}

/** In Unicode the ten digits of a script are consecutive, beginning with zero; some of these ranges touch. */
function valueOf(digit: string): number {
  const point = digit.codePointAt(0) ?? 0
  let first = point
  while (isDigit(first - 1)) first--
  return (point - first) % 10
}

function isDigit(point: number): boolean {
  return /\p{Nd}/u.test(String.fromCodePoint(point))
}
