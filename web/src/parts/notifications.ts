/** New messages while nobody looks at them; gone when they were read, here or elsewhere, or the person has left. */
import { liveQuery } from 'dexie'
import type { Address } from '../local/types'
import type { App } from '../sync/app'
import { preferences } from './preferences.svelte'
import { oneLine } from './preview'
import { route } from './route.svelte'

const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined
/** What the page itself has shown, newest of each chat. */
const ofPage = new Map<Address, Notification>()
/** How to stop looking whether the message that is told of in a chat is still there. */
const watched = new Map<Address, () => void>()

/** `hidden`: what is said where the text is not to be seen; `locked`: it never is now. Returns how to stop. */
export function notifications(
  app: App,
  name: (chat: Address) => Promise<string>,
  open: (chat: Address) => void,
  hidden: () => string,
  locked: () => boolean = () => false
): () => void {
  // what was deleted, by its author or by its time, is told of no more
  const watch = (chat: Address, key: string): void => {
    watched.get(chat)?.()
    const looking = liveQuery(() => app.db.messages.get(key)).subscribe((message) => {
      if (message && message.kind !== 'deleted') return
      watched.get(chat)?.()
      void withdraw((other) => other !== chat)
    })
    watched.set(chat, () => {
      looking.unsubscribe()
    })
  }
  const tell = async (chat: Address, key: string, text: string): Promise<void> => {
    watch(chat, key)
    const title = await name(chat)
    const options: NotificationOptions & { renotify: boolean } = {
      body: preferences.previews && !locked() && text ? oneLine(text) : hidden(),
      tag: chat,
      renotify: true,
      icon: '/icon-192.png',
      badge: '/icon-192.png',
      data: { chat, key }
    }
    const registration = await workers?.getRegistration()
    if (registration?.active) {
      ofPage.get(chat)?.close() // of the same chat, from before there was a worker
      await registration.showNotification(title, options)
      return
    }
    // in the first seconds, and in a private window, there is nobody but the page
    try {
      const shown = new Notification(title, options)
      shown.onclick = () => {
        shown.close()
        window.focus()
        open(chat)
      }
      ofPage.set(chat, shown)
    } catch {
      // on a phone, the page may not
      const late = await workers?.ready
      if ((await app.db.chats.get(chat))?.unread) await late?.showNotification(title, options)
    }
  }
  const stop = app.onNews(({ chat, key, text }) => {
    const looking = document.visibilityState === 'visible' && document.hasFocus()
    if (looking && route.parts[0] === 'chat' && route.parts[1] === chat) return
    if (
      looking ||
      !preferences.notify ||
      !('Notification' in window) ||
      Notification.permission !== 'granted'
    )
      return
    tell(chat, key, text).catch((error: unknown) => {
      console.warn('no notification', error) // the system or the browser has taken the permission back
    })
  })
  // those that an earlier page has left
  const elder = workers?.getRegistration().then(async (registration) => {
    for (const { data } of (await registration?.getNotifications()) ?? []) {
      const { chat, key } = (data ?? {}) as { chat?: string; key?: string }
      if (chat !== undefined && key !== undefined && !watched.has(chat)) watch(chat, key)
    }
  })
  elder?.catch((error: unknown) => {
    console.warn('notifications of before stay', error)
  })
  // what is on the screen of a device is read by whoever sees the device; chats change with every message and draft
  let before: Set<Address> | undefined
  const unread = liveQuery(async () => {
    const chats = await app.db.chats.toArray()
    return new Set(chats.filter((chat) => chat.unread > 0).map((chat) => chat.address))
  }).subscribe((chats) => {
    if (!before || [...before].some((chat) => !chats.has(chat))) void withdraw((chat) => chats.has(chat))
    before = chats
  })
  const said = (event: MessageEvent): void => {
    const { open: chat } = (event.data ?? {}) as { open?: string }
    if (chat !== undefined) open(chat)
  }
  workers?.addEventListener('message', said)
  return () => {
    stop()
    unread.unsubscribe()
    for (const end of watched.values()) end()
    workers?.removeEventListener('message', said)
  }
}

/** Takes notifications back, but for those of chats that `stays` says. */
export async function withdraw(stays: (chat: Address) => boolean = () => false): Promise<void> {
  for (const [chat, shown] of ofPage)
    if (!stays(chat)) {
      shown.close()
      ofPage.delete(chat)
    }
  const registration = await workers?.getRegistration().catch(() => undefined)
  for (const shown of (await registration?.getNotifications().catch(() => undefined)) ?? [])
    if (!stays(shown.tag)) shown.close()
}
