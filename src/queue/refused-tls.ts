/** Node's codes of what is wrong with certificates, authorities or the protocol, and not with the network. */
const codes = /CERT|CRL|UNABLE_TO_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|^ERR_(TLS|SSL|OSSL)_|^EPROTO$/

/** Whether a connection failed because one end does not accept the other's TLS. Told by the code: texts hold the names of hosts. */
export const refusesTls = (code: unknown): boolean => typeof code === 'string' && codes.test(code)
