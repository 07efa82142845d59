/** Whether the list of shortcuts is shown. */
class Help {
  shortcuts = $state(false)
}

export const help = new Help()
