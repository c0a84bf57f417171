export const scenario = { name: 'sockets', about: '', seconds: 1, run: async () => {} }
