/** Popups belong to their screen: they close when the user goes elsewhere, by Back, a link or a notification. */
import { route } from './route.svelte'

/** To be called while the component of the popup is initialized. `onclose` is called at most once. */
export function closesOnNavigation(onclose: () => void): void {
  $effect(() =>
    route.onLeave(() => {
      onclose()
    })
  )
}
