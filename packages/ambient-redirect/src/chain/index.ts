export { readChains, type ChainLine, type InterfaceChain } from './interface-chain.ts';
