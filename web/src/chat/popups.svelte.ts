/** What is open above a conversation, and for which messages. */
import type { Message } from '../local/types'
import type { Place } from '../parts/Menu.svelte'

export class Popups {
  menu = $state.raw<{ message: Message; at: Place }>()
  /** The message to react to. */
  reacting = $state.raw<Message>()
  deleting = $state.raw<Message[]>()
  /** The key of the message whose details are shown. */
  telling = $state<string>()
  pinning = $state.raw<Message>()
  /** Keys of messages. */
  forwarding = $state.raw<string[]>()
  clearing = $state.raw<{ remove: boolean }>()
}
