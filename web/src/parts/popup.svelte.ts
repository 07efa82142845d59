/** What opens above the screen belongs to it, and goes when one goes elsewhere: by Back, a link or a notification. */
import { route } from './route.svelte'

/** Call while the component of the popup is made. `onclose` is called at most once. */
export function closesOnNavigation(onclose: () => void): void {
  $effect(() =>
    route.onLeave(() => {
      onclose()
    })
  )
}
