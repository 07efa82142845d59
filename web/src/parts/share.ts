/** Handing a link on: by the device's own sheet for that where there is one, else by copying it. */
import { t } from '../strings/strings.svelte'
import { attempt, toasts } from './toasts.svelte'

export const canShare = typeof navigator !== 'undefined' && 'share' in navigator

export function copyLink(link: string): void {
  attempt(
    navigator.clipboard.writeText(link).then(() => {
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
    copyLink(link)
  }
}
