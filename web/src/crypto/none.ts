/** In the place of what is never used: see vite.config.ts. */
export {}
