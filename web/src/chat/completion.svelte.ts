/**
 * Assists while typing: completes emoji names, replaces emoticons, and styles the selection. All changes are made as if
 * typed, so that the browser can undo them.
 */
import { language } from '../strings/strings.svelte'
import { toggle, type as write, type Mark } from './format'
import { Offer } from './offer.svelte'
import { preferences } from '../parts/preferences.svelte'
import { begun, emoticon, names, suggest, whole, type Named } from './shortcodes'
import { matches } from '../parts/shortcuts'

const MARKS = { bold: '*', italic: '_', strike: '~', code: '`' } as const

export class Completion extends Offer<Named> {
  /** Whether something is selected in the field. */
  selecting = $state(false)
  /** The last replacement, which Backspace undoes. */
  private turned: { end: number; was: string; now: string } | undefined
  /** An emoticon that was restored by Backspace, so it stays. */
  private takenBack = ''
  private takingBack = false

  constructor(private readonly field: () => HTMLTextAreaElement) {
    super()
  }

  /** Hides the suggestions and the styles. */
  override close(): void {
    super.close()
    this.selecting = false
  }

  /** The selection may have changed. */
  look(): void {
    const field = this.field()
    const focused = document.activeElement === field
    this.selecting = focused && field.selectionStart !== field.selectionEnd
    if (!focused) this.offered = []
  }

  /** Adds style marks around the selection, or removes them. */
  mark(sign: Mark): void {
    const field = this.field()
    const { value, selectionStart: from, selectionEnd: to } = field
    const after = toggle({ text: value, from, to }, sign)
    const [start, end] = changedPart(value, after.text)
    write(field, start, value.length - end, after.text.slice(start, after.text.length - end))
    field.setSelectionRange(after.from, after.to)
    this.look()
  }

  /** The text was changed by typing. */
  async typed(): Promise<void> {
    const { value, selectionStart: place, selectionEnd } = this.field()
    this.turned = undefined
    if (value === '') this.takenBack = ''
    if (place !== selectionEnd || this.takingBack) return
    const named = whole(value, place)
    const part = named ? undefined : begun(value, place)
    this.offered = part ? this.offered : []
    if (named ?? part) {
      const all = await names(language.code).catch((): Named[] => [])
      if (this.field().value !== value) return
      const exact = named && all.find(({ name }) => name === named.name)
      if (exact) this.turn(named.from, place, exact.emoji)
      else if (part) {
        this.offered = suggest(all, part.name)
        this.picked = 0
      }
    } else if (preferences.emoticons && /\s/.test(value.charAt(place - 1))) {
      const found = emoticon(value, place - 1)
      if (found) this.turn(found.from, place, found.emoji + value.charAt(place - 1))
    }
  }

  /** Replaces the typed name by an emoji. */
  take({ emoji }: Named): void {
    const field = this.field()
    const place = field.selectionStart
    const part = begun(field.value, place)
    this.offered = []
    if (part) this.turn(part.from, place, `${emoji} `)
  }

  /** Handles keys for suggestions, styles and undoing; true: the key was handled. */
  override pressed(event: KeyboardEvent): boolean {
    if (this.offered.length) return super.pressed(event)
    const field = this.field()
    const mark = Object.keys(MARKS).find((name) => matches(event, name as keyof typeof MARKS))
    if (mark !== undefined) this.mark(MARKS[mark as keyof typeof MARKS])
    else if (
      event.key === 'Backspace' &&
      this.turned &&
      field.selectionStart === this.turned.end &&
      field.selectionEnd === this.turned.end
    ) {
      const { end, was, now } = this.turned
      this.takenBack = was.trim()
      this.takingBack = true
      write(field, end - now.length, end, was)
      this.takingBack = false
      this.turned = undefined
    } else return false
    event.preventDefault()
    event.stopPropagation()
    return true
  }

  /** The text to send: an emoticon at its end is replaced now. */
  finished(text: string): string {
    const said = text.trim()
    const last = preferences.emoticons ? emoticon(said, said.length) : undefined
    return last && said.slice(last.from) !== this.takenBack ? said.slice(0, last.from) + last.emoji : said
  }

  private turn(from: number, to: number, now: string): void {
    const field = this.field()
    const was = field.value.slice(from, to)
    write(field, from, to, now)
    this.turned = { end: from + now.length, was, now }
  }
}

/** The lengths of the common beginning and end of two texts. */
function changedPart(before: string, after: string): [start: number, end: number] {
  const most = Math.min(before.length, after.length)
  let start = 0
  while (start < most && before[start] === after[start]) start++
  let end = 0
  while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end++
  return [start, end]
}
