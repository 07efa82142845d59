/** Files that the server has no more: who has sent them may still have them. */
import type { Message } from '../local/types'
import { succeeded, toasts } from '../parts/toasts.svelte'
import type { App, LoadOptions } from '../sync/app'
import { t } from '../strings/strings.svelte'
import { problemOf } from './file-load.svelte'

/** Asks the sender's devices to upload the file of a message again. */
export async function askFor(app: App, message: Message): Promise<void> {
  // who has sent it without encryption is not asked: everybody in between could answer
  if (message.media?.plain) toasts.show(t('media.gone'))
  else if (await succeeded(app.askForFile(message.key))) toasts.show(t('media.asked'))
}

/** The file of a message that somebody has tapped. If it is gone, it is asked for; rejects as `App.file` does. */
export async function loadOrAsk(app: App, message: Message, options?: LoadOptions): Promise<Blob> {
  try {
    return await app.file(message.key, options)
  } catch (error) {
    if (problemOf(error) === 'gone') await askFor(app, message)
    throw error
  }
}
