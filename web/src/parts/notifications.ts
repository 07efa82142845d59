/** New messages while nobody looks at them. */
import type { Address } from '../local/types'
import type { App } from '../sync/app'
import { preferences } from './preferences.svelte'
import { route } from './route.svelte'

/** `hidden`: what is said where the text is not to be seen. Returns how to stop. */
export function notifications(
  app: App,
  name: (chat: Address) => Promise<string>,
  open: (chat: Address) => void,
  hidden: () => string
): () => void {
  const tell = async (chat: Address, text: string): Promise<void> => {
    const title = await name(chat)
    const options: NotificationOptions = {
      body: preferences.previews ? text : hidden(),
      tag: chat,
      icon: '/icon-192.png',
      badge: '/icon-192.png',
      data: { chat }
    }
    const registration = await navigator.serviceWorker.getRegistration()
    if (registration) await registration.showNotification(title, options)
    else
      new Notification(title, options).onclick = () => {
        open(chat)
      }
  }
  const stop = app.onNews(({ chat, text }) => {
    const looking = document.visibilityState === 'visible' && document.hasFocus()
    if (looking && route.parts[0] === 'chat' && route.parts[1] === chat) return
    if (
      looking ||
      !preferences.notify ||
      !('Notification' in window) ||
      Notification.permission !== 'granted'
    )
      return
    void tell(chat, text)
  })
  const said = (event: MessageEvent): void => {
    const { open: chat } = (event.data ?? {}) as { open?: string }
    if (chat !== undefined) open(chat)
  }
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined
  workers?.addEventListener('message', said)
  return () => {
    stop()
    workers?.removeEventListener('message', said)
  }
}
