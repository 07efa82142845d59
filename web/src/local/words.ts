/** Texts as the search compares them. */

const WORD = /[\p{L}\p{N}]+/gu
const MARKS = /\p{M}/gu
/** Of one message, so that a long one does not fill the index. */
const MOST = 200
const LONGEST = 32

/** Whether there is nothing to see: no more than blanks and characters without a form. */
export function isBlank(text: string): boolean {
  return !/[^\s\p{Z}\p{Cc}\p{Cf}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}\u115f\u1160\u2800\u3164\uffa0]/u.test(
    text
  )
}

/** As texts are compared: without case, accents, and other forms of the same character. */
export function folded(text: string): string {
  return text.normalize('NFKD').replace(MARKS, '').toLowerCase()
}

/** What a text that is looked for has to have, each part by itself. */
export function termsOf(text: string): string[] {
  return [...new Set(folded(text).split(/\s+/u))].filter((term) => term !== '')
}

/** Whether there is something to look for: one letter or sign of an alphabet alone is in nearly every message. */
export function isSought(text: string): boolean {
  return termsOf(text).some(
    (term) =>
      term.length > 1 || !/^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Nd}\p{P}]$/u.test(term)
  )
}

/** The words of a text, each once, folded. */
export function wordsOf(text: string): string[] {
  const plain = folded(text)
  const words = new Set<string>()
  for (const [word] of plain.matchAll(WORD)) {
    words.add(word.slice(0, LONGEST))
    if (words.size === MOST) break
  }
  return [...words]
}
