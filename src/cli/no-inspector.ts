/**
 * Keeps Node's inspector shut: at SIGUSR1 Node would open it, and whoever reaches its port runs code in the gateway. A
 * listener takes the place of Node's own; it is set as this file is loaded, so import it before all else.
 */
process.on('SIGUSR1', () => undefined);
