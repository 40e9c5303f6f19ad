export { readChains, type ChainLine, type InterfaceChain, type ReadChainsOptions } from './interface-chain.ts';
