/**
 * moto: an EMULATOR of AWS Auto Scaling and EC2, not AWS. Unlike AWS it takes a desired size above the group's maximum, its machines
 * run at once, warm pools are only stored, and scaling activities are empty.
 */
export const server = {
  name: 'moto',
  about: 'moto, an emulator of AWS Auto Scaling and EC2 (not AWS)',
  ports: { http: 17700 },

  async install(ctx) {
    await ctx.pip(['moto[server]==5.2.5'])
  },

  async start(ctx) {
    const env = { PYTHONPATH: ctx.path('python'), AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }
    ctx.spawn('python3', ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(ctx.ports.http)], { env })
  },

  async probe(ctx) {
    const body = 'Action=DescribeAutoScalingGroups&Version=2011-01-01'
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      authorization:
        'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/autoscaling/aws4_request, SignedHeaders=host, Signature=0',
    }
    const url = `http://127.0.0.1:${ctx.ports.http}/`
    const answer = await ctx.fetchOk(url, { method: 'POST', headers, body })
    if (!answer.includes('DescribeAutoScalingGroupsResponse')) throw new Error(`an unexpected answer: ${answer.slice(0, 100)}`)
  },

  urls: (ctx) => ({ http: `http://127.0.0.1:${ctx.ports.http}` }),
}
