/** The texts of the page for operators, which the chat app does not load. */
import { fill, language } from '../../strings/strings.svelte'
import { de } from './de'
import { en } from './en'
import type { Key, Texts } from './texts'

export const ADMIN_TEXTS: Record<string, Texts> = { en, de }

/** A text in the person's language, with values for the names in {}. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return fill((ADMIN_TEXTS[language.code] ?? en)[key], values, language.tag)
}
