/** The service worker: stores the app's files, so that it opens offline, and handles clicks on notifications. */
import { cleanupOutdatedCaches, createHandlerBoundToURL, precacheAndRoute } from 'workbox-precaching'
import { NavigationRoute, registerRoute } from 'workbox-routing'

declare const self: ServiceWorkerGlobalScope & {
  __WB_MANIFEST: { url: string; revision: string | null }[]
}

cleanupOutdatedCaches()
precacheAndRoute(self.__WB_MANIFEST, { ignoreURLParametersMatching: [/.*/] })
// the app is at two paths; everything else at this server is not its own
registerRoute(new NavigationRoute(createHandlerBoundToURL('/index.html'), { allowlist: [/^\/(?:link)?$/] }))

self.addEventListener('message', (event) => {
  if (event.data === 'take over') void self.skipWaiting()
})

self.addEventListener('activate', (event) => {
  event.waitUntil(self.clients.claim())
})

/** A click on a notification opens its chat in the existing window, or in a new one. */
self.addEventListener('notificationclick', (event) => {
  event.notification.close()
  const { chat } = (event.notification.data ?? {}) as { chat?: string }
  event.waitUntil(open(chat))
})

async function open(chat: string | undefined): Promise<void> {
  const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true })
  const window = windows.find((one) => one.focused) ?? windows[0]
  if (window === undefined) {
    await self.clients.openWindow(chat === undefined ? '/' : `/#/chat/${encodeURIComponent(chat)}`)
    return
  }
  await window.focus()
  if (chat !== undefined) window.postMessage({ open: chat })
}
