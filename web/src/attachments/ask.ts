/** Asks for a file that the server has no more: who has sent it may still have it. */
import type { Message } from '../local/types'
import { succeeded, toasts } from '../parts/toasts.svelte'
import type { App } from '../sync/app'
import { t } from '../strings/strings.svelte'

export async function askFor(app: App, message: Message): Promise<void> {
  if (await succeeded(app.askForFile(message.key))) toasts.show(t('media.asked'))
}
