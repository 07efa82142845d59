/** What can be done with a message of a conversation, from its menu, its row or the keyboard. */
import type { Message } from '../local/types'

export interface MessageActions {
  reply: (message: Message) => void
  edit: (message: Message) => void
  copy: (message: Message) => void
  forward: (message: Message) => void
  info: (message: Message) => void
  /** Opens the choice of a duration. */
  pin: (message: Message) => void
  select: (message: Message) => void
  remove: (message: Message) => void
  /** Adds an emoji, or removes it. */
  react: (message: Message, emoji: string) => void
  /** Opens the emoji picker. */
  choose: (message: Message) => void
}
