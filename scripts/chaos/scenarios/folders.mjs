export const scenario = { name: 'folders', about: '', seconds: 1, run: async () => {} }
