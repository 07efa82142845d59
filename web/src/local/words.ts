/** Normalizes texts for the search. */

const WORD = /[\p{L}\p{N}]+/gu
const MARKS = /\p{M}/gu
/** The maximum number of words of one message, so that a long one does not fill the index. */
const MAX_WORDS = 200
const LONGEST = 32

/** Whether there is nothing visible: only blanks and invisible characters. */
export function isBlank(text: string): boolean {
  return !/[^\s\p{Z}\p{Cc}\p{Cf}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}\u115f\u1160\u2800\u3164\uffa0]/u.test(
    text
  )
}

/** A text as it is compared: without case, accents, and other forms of the same character. */
export function folded(text: string): string {
  return text.normalize('NFKD').replace(MARKS, '').toLowerCase()
}

/** The terms that a search has to find, each separately. */
export function termsOf(text: string): string[] {
  return [...new Set(folded(text).split(/\s+/u))].filter((term) => term !== '')
}

/** Whether the text is long enough to search: a single letter is in nearly every message. */
export function isSought(text: string): boolean {
  return termsOf(text).some(
    (term) =>
      term.length > 1 || !/^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Nd}\p{P}]$/u.test(term)
  )
}

/** The words of a text, each once, normalized. */
export function wordsOf(text: string): string[] {
  const plain = folded(text)
  const words = new Set<string>()
  for (const [word] of plain.matchAll(WORD)) {
    words.add(word.slice(0, LONGEST))
    if (words.size === MAX_WORDS) break
  }
  return [...words]
}
