/** Shares a text or a link with the device's share sheet; without one, copies it. */
import { t } from '../strings/strings.svelte'
import { attempt, toasts } from './toasts.svelte'

export const canShare = typeof navigator !== 'undefined' && 'share' in navigator

/** Copies a text, and says that it was copied or that the browser does not allow it. */
export function copyText(text: string): void {
  attempt(
    navigator.clipboard.writeText(text).then(() => {
      toasts.show(t('copied'))
    }),
    'failed.copy'
  )
}

export async function shareLink(title: string, link: string): Promise<void> {
  try {
    await navigator.share({ title, url: link })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return
    copyText(link)
  }
}
