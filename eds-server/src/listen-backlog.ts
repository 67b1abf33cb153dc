/**
 * How many connections may wait to be taken, as far as the kernel allows (Linux: net.core.somaxconn, 4,096). Node asks
 * for 511; the rest of a herd then waits for its clients' SYN to be sent again, seconds to a minute later (F11).
 */
export const LISTEN_BACKLOG = 65_535
