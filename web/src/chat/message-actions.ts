/** What one can do with a message of a conversation, from its menu, its row or the keyboard. */
import type { Message } from '../local/types'

export interface MessageActions {
  reply: (message: Message) => void
  edit: (message: Message) => void
  copy: (message: Message) => void
  forward: (message: Message) => void
  info: (message: Message) => void
  /** Asks for how long. */
  pin: (message: Message) => void
  select: (message: Message) => void
  remove: (message: Message) => void
  /** Adds an emoji, or takes it back. */
  react: (message: Message, emoji: string) => void
  /** Asks for an emoji to react with. */
  choose: (message: Message) => void
}
