/** The type of the texts of the page for operators: all keys of the English ones. */
import type { Text } from '../../strings/texts'
import type { en } from './en'

export type Key = keyof typeof en
export type Texts = Record<Key, Text>
