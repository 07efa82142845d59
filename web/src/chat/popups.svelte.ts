/** What is open above a conversation, and for which messages. */
import type { Message } from '../local/types'
import type { Place } from '../parts/Menu.svelte'

export class Popups {
  menu = $state.raw<{ message: Message; at: Place }>()
  /** The message that an emoji is chosen for. */
  reacting = $state.raw<Message>()
  deleting = $state.raw<Message[]>()
  /** Key of the message that more is told of. */
  telling = $state<string>()
  pinning = $state.raw<Message>()
  /** Keys of messages. */
  forwarding = $state.raw<string[]>()
  clearing = $state.raw<{ remove: boolean }>()
}
