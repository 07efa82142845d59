/** Replaces modules that are never used: see vite.config.ts. */
export {}
