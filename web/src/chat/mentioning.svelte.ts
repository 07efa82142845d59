/** Offers members of a group while one types `@`, and finds in a text whom it mentions. */
import { folded } from '../local/words'
import type { Address, Mention } from '../local/types'
import { t } from '../strings/strings.svelte'
import { type as write } from './format'
import { Offer } from './offer.svelte'

export interface Mentionable {
  /** Empty: everybody. */
  jid: Address
  name: string
}

const MOST = 6
/** What was typed after an `@` that no letter precedes. */
const BEGUN = /(?:^|[^\p{L}\p{N}_@])@([^\n@]{0,40})$/u

export class Mentioning extends Offer<Mentionable> {
  constructor(
    private readonly field: () => HTMLTextAreaElement,
    private readonly members: () => Mentionable[]
  ) {
    super()
  }

  private get all(): Mentionable[] {
    const members = this.members()
    return members.length ? [...members, { jid: '', name: t('mention.all') }] : []
  }

  /** The text, or the place in it, has changed. */
  typed(): void {
    const { value, selectionStart: place, selectionEnd } = this.field()
    const part = place === selectionEnd ? BEGUN.exec(value.slice(0, place))?.[1] : undefined
    const text = folded(part ?? '')
    this.offered =
      part === undefined
        ? []
        : this.all
            .filter(
              ({ name }) =>
                folded(name)
                  .split(' ')
                  .some((word) => word.startsWith(text)) || folded(name).startsWith(text)
            )
            .slice(0, MOST)
    this.picked = 0
  }

  /** Replaces what was typed by the whole name. */
  take({ name }: Mentionable): void {
    const field = this.field()
    const place = field.selectionStart
    const part = BEGUN.exec(field.value.slice(0, place))?.[1]
    this.offered = []
    if (part !== undefined) write(field, place - part.length, place, `${name} `)
  }

  /** Whom a text mentions; places are in Unicode code points. Of names that begin alike, the longest counts. */
  found(text: string): Mention[] {
    return mentionsIn(text, this.all)
  }
}

export function mentionsIn(text: string, all: Mentionable[]): Mention[] {
  const names = all
    .filter(({ name }) => name !== '')
    .map(({ jid, name }) => ({ jid, letters: [...name.toLowerCase()] }))
    .sort((a, b) => b.letters.length - a.letters.length)
  const letters = [...text]
  const lower = letters.map((one) => one.toLowerCase())
  const mentions: Mention[] = []
  const isWord = (one: string | undefined): boolean => one !== undefined && /[\p{L}\p{N}_]/u.test(one)
  for (let start = 0; start < letters.length; start++) {
    if (letters[start] !== '@' || isWord(letters[start - 1])) continue
    const one = names.find(
      (named) =>
        named.letters.every((letter, at) => lower[start + 1 + at] === letter) &&
        !isWord(letters[start + 1 + named.letters.length])
    )
    if (!one) continue
    const end = start + 1 + one.letters.length
    mentions.push({ jid: one.jid, start, end })
    start = end - 1
  }
  return mentions
}
