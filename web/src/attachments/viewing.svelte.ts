/** Which picture is shown on the whole screen. */
import type { Message } from '../local/types'

class Viewing {
  /** The message that was pressed. */
  message = $state.raw<Message>()

  show(message: Message): void {
    this.message = message
  }

  close(): void {
    this.message = undefined
  }
}

export const viewer = new Viewing()
