/**
 * Keyboard shortcuts: Alt+Shift, and Alt with arrows, which neither Chromium, Firefox and Safari nor AltGr use; on a
 * Mac Control+Shift, since Option types letters there.
 */
import { t } from '../strings/strings.svelte'
import type { Key } from '../strings/texts'

interface Combination {
  label: Key
  /** `chord`: Alt+Shift; Control+Shift on a Mac. `command`: Ctrl; Command on a Mac. */
  with: 'chord' | 'command' | 'alt' | 'shift' | 'none'
  /** As in `KeyboardEvent.key`, in lower case. */
  key: string
}

const GENERAL = {
  help: { label: 'shortcut.help', with: 'command', key: '/' },
  search: { label: 'shortcut.search', with: 'chord', key: 'k' },
  new: { label: 'new.title', with: 'chord', key: 'n' },
  next: { label: 'shortcut.next', with: 'alt', key: 'arrowdown' },
  previous: { label: 'shortcut.previous', with: 'alt', key: 'arrowup' },
  'next-unread': { label: 'shortcut.next-unread', with: 'chord', key: 'arrowdown' },
  'previous-unread': { label: 'shortcut.previous-unread', with: 'chord', key: 'arrowup' },
  settings: { label: 'settings.title', with: 'chord', key: 'g' },
  lock: { label: 'lock.now', with: 'chord', key: 'l' }
} as const satisfies Record<string, Combination>

const CHAT = {
  'search-chat': { label: 'search.chat', with: 'chord', key: 'f' },
  info: { label: 'shortcut.info', with: 'chord', key: 'o' },
  archive: { label: 'shortcut.archive', with: 'chord', key: 'e' },
  mute: { label: 'shortcut.mute', with: 'chord', key: 'm' },
  pin: { label: 'shortcut.pin', with: 'chord', key: 'p' },
  unread: { label: 'chat.unread', with: 'chord', key: 'u' },
  close: { label: 'shortcut.close', with: 'none', key: 'escape' }
} as const satisfies Record<string, Combination>

const WRITING = {
  'edit-last': { label: 'shortcut.edit-last', with: 'none', key: 'arrowup' },
  bold: { label: 'format.bold', with: 'command', key: 'b' },
  italic: { label: 'format.italic', with: 'command', key: 'i' },
  strike: { label: 'format.strike', with: 'chord', key: 'x' },
  code: { label: 'format.code', with: 'chord', key: 'c' },
  emoji: { label: 'shortcut.emoji', with: 'none', key: ':' }
} as const satisfies Record<string, Combination>

const ALL = { ...GENERAL, ...CHAT, ...WRITING }
export type Shortcut = keyof typeof ALL

/** The description in the list of shortcuts. */
export const SHORTCUTS: { title: Key; shortcuts: Shortcut[] }[] = [
  { title: 'shortcut.general', shortcuts: Object.keys(GENERAL) as Shortcut[] },
  { title: 'shortcut.chat', shortcuts: Object.keys(CHAT) as Shortcut[] },
  { title: 'shortcut.writing', shortcuts: Object.keys(WRITING) as Shortcut[] }
]

const isMac = (): boolean => typeof navigator !== 'undefined' && /^Mac|iP(?:hone|ad)/.test(navigator.platform)

type Keys = Pick<KeyboardEvent, 'key' | 'code' | 'altKey' | 'ctrlKey' | 'metaKey' | 'shiftKey'>

export function matches(event: Keys, shortcut: Shortcut, mac = isMac()): boolean {
  const { with: held, key } = ALL[shortcut]
  const { altKey: alt, ctrlKey: ctrl, metaKey: meta, shiftKey: shift } = event
  const isHeld = {
    chord: shift && !meta && (mac ? ctrl && !alt : alt && !ctrl),
    // / is Shift+7 on some keyboards
    command: !alt && (mac ? meta && !ctrl : ctrl && !meta) && (!shift || key === '/'),
    alt: alt && !ctrl && !meta && !shift,
    shift: shift && !alt && !ctrl && !meta,
    none: !alt && !ctrl && !meta && !shift
  }[held]
  return isHeld && (event.key.toLowerCase() === key || isAt(event, key))
}

/** On keyboards with other than Latin letters, the position of the key counts. */
function isAt({ key, code }: Keys, letter: string): boolean {
  return /^[^\p{ASCII}]$/u.test(key) && code === `Key${letter.toUpperCase()}`
}

export function label(shortcut: Shortcut): string {
  return t(ALL[shortcut].label)
}

/** The text for a shortcut: `Alt+Shift+N`, on a Mac `⌃⇧N`. */
export function keysOf(shortcut: Shortcut, mac = isMac()): string {
  const { with: held, key } = ALL[shortcut]
  const name: Record<string, string> = { arrowdown: '↓', arrowup: '↑', escape: t('key.escape'), ':': ':' }
  const last = name[key] ?? key.toUpperCase()
  if (mac) return { chord: '⌃⇧', command: '⌘', alt: '⌥', shift: '⇧', none: '' }[held] + last
  const [alt, shift, ctrl] = [t('key.alt'), t('key.shift'), t('key.ctrl')]
  return [...{ chord: [alt, shift], command: [ctrl], alt: [alt], shift: [shift], none: [] }[held], last].join(
    '+'
  )
}
