/** The type of a language's texts: all keys of the English one. */
import type { en } from './en'

export type Key = keyof typeof en
/** One text, or one for each plural category of the language, chosen by `count`. */
export type Text = string | Partial<Record<Intl.LDMLPluralRule, string>>
export type Texts = Record<Key, Text>
