/** Tells of a call outside of the page, while it is not looked at: by a notification, and by the title of the page. */
import { preferences } from '../parts/preferences.svelte'

const BLINK_MS = 1000

/** `texts`: who calls, and how. Returns what ends it. */
export function announce(id: string, texts: () => Promise<[name: string, what: string]>): () => void {
  let over = false
  let title: string | undefined
  let blink: ReturnType<typeof setInterval> | undefined
  let shown: Notification | undefined
  const begin = async (): Promise<void> => {
    const [name, what] = await texts()
    if (over) return
    title = document.title
    blink = setInterval(() => {
      document.title = document.title === `${name} ☎` ? (title ?? '') : `${name} ☎`
    }, BLINK_MS)
    const looking = document.visibilityState === 'visible' && document.hasFocus()
    const allowed = 'Notification' in window && Notification.permission === 'granted' && preferences.notify
    if (looking || !allowed) return
    try {
      shown = new Notification(name, {
        body: what,
        tag: `call ${id}`,
        icon: '/icon-192.png',
        requireInteraction: true
      })
      shown.onclick = () => {
        window.focus()
        shown?.close()
      }
    } catch {
      // phones show notifications by the service worker only, which push wakes
    }
  }
  begin().catch((error: unknown) => {
    console.debug('a call is not announced', error)
  })
  return () => {
    over = true
    clearInterval(blink)
    if (title !== undefined) document.title = title
    shown?.close()
  }
}
