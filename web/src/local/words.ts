/** The words of a text, as the search compares them: without case and accents, each once. */

const WORD = /[\p{L}\p{N}]+/gu
const MARKS = /\p{M}/gu
/** Of one message, so that a long one does not fill the index. */
const MOST = 200
const LONGEST = 32

/** Whether there is nothing to see: no more than blanks and characters without a form. */
export function isBlank(text: string): boolean {
  return !/[^\s\p{Cc}\p{Cf}\u115f\u1160\u2800\u3164\uffa0]/u.test(text)
}

export function wordsOf(text: string): string[] {
  const plain = text.normalize('NFKD').replace(MARKS, '').toLowerCase()
  const words = new Set<string>()
  for (const [word] of plain.matchAll(WORD)) {
    words.add(word.slice(0, LONGEST))
    if (words.size === MOST) break
  }
  return [...words]
}
