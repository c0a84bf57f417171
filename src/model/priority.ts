/**
 * Levels of the scheduler, most urgent first. `proactive` holds decisions and queries that wait for their allocation;
 * prefetching work itself runs as `background`.
 */
export const priorities = ['proactive', 'interactive', 'batch', 'background'] as const
export type Priority = (typeof priorities)[number]

/** One slot in this many goes to the lowest level that waits, so that nothing starves. */
export const starvationShare = 20
