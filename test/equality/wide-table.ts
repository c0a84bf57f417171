/** A wide table of page views, made by SQL from nothing: skewed users, mostly empty texts, many columns that few queries touch. */
export function wideTable(rows: number): string {
  const texts = `['', '', '', 'how to tie a knot', 'weather', 'карта города', 'cheap flights', 'news today', '音楽', 'forebay']`
  const sites = `['example.org', 'www.shop.example', 'news.example.com', 'google.example', 'm.example.net']`
  const fixed = [
    'i::BIGINT AS watch_id',
    `TIMESTAMP '2013-07-01 00:00:00' + to_seconds((hash(i, 1) % 2592000)::BIGINT) AS event_time`,
    `(TIMESTAMP '2013-07-01 00:00:00' + to_seconds((hash(i, 1) % 2592000)::BIGINT))::DATE AS event_date`,
    '(hash(i, 2) % 40)::INTEGER AS counter_id',
    '(hash(i, 3) % (1 + hash(i, 4) % 900))::BIGINT * 7919 AS user_id',
    '(hash(i, 5) % 60)::INTEGER AS region_id',
    '(hash(i, 6) % 25 % 5)::SMALLINT AS adv_engine_id',
    '((hash(i, 7) % 12) * 160)::SMALLINT AS resolution_width',
    '(hash(i, 8) % 4)::SMALLINT AS mobile_phone',
    `(['', '', '', 'iPad', 'N95', 'Xperia'])[(hash(i, 9) % 6 + 1)::INTEGER] AS mobile_phone_model`,
    `(${texts})[(hash(i, 10) % 10 + 1)::INTEGER] AS search_phrase`,
    '(hash(i, 11) % 6)::SMALLINT AS search_engine_id',
    `'http://' || (${sites})[(hash(i, 12) % 5 + 1)::INTEGER] || '/page' || (hash(i, 13) % 70) AS url`,
    `CASE WHEN hash(i, 14) % 3 = 0 THEN '' ELSE 'https://' || (${sites})[(hash(i, 15) % 5 + 1)::INTEGER] || '/from' END AS referer`,
    `'Title ' || (hash(i, 13) % 70) || CASE WHEN hash(i, 16) % 9 = 0 THEN ' Google' ELSE '' END AS title`,
    '(hash(i, 17) % 10 = 0)::SMALLINT AS is_refresh',
    '(hash(i, 18) % 20 = 0)::SMALLINT AS dont_count_hits',
    '(hash(i, 19) % 15 = 0)::SMALLINT AS is_link',
    '(hash(i, 20) % 30 = 0)::SMALLINT AS is_download',
    '(hash(i, 21) % 12)::SMALLINT AS traffic_source_id',
    '((hash(i, 22) % 5)::BIGINT - 2) * 3594120000172545465 AS referer_hash',
    '((hash(i, 23) % 7)::BIGINT - 3) * 2868770270353813622 AS url_hash',
    '((hash(i, 24) % 20) * 100)::SMALLINT AS window_client_width',
    '((hash(i, 25) % 12) * 100)::SMALLINT AS window_client_height',
    '((hash(i, 26) % 4294967296)::BIGINT - 2147483648)::INTEGER AS client_ip',
    '((hash(i, 27) % 100000)::DOUBLE / 7)::DOUBLE AS load_seconds',
    '((hash(i, 28) % 1000000)::INTEGER / 100.0)::DECIMAL(12,2) AS revenue',
  ]
  const fillers = Array.from({ length: 70 }, (_, index) => `(hash(i, ${100 + index}) % 100)::INTEGER AS extra_${index}`)
  return `SELECT ${[...fixed, ...fillers].join(', ')} FROM range(${rows}) r(i)`
}

/** Questions in the manner of ClickBench, in our own words: counts, top lists, distinct users, texts, dashboards of one site. */
export const wideQueries: readonly string[] = [
  'SELECT count(*) FROM hits',
  'SELECT count(*) FROM hits WHERE adv_engine_id <> 0',
  'SELECT sum(adv_engine_id), count(*), avg(resolution_width) FROM hits',
  'SELECT avg(user_id) FROM hits',
  'SELECT count(DISTINCT user_id) FROM hits',
  'SELECT count(DISTINCT search_phrase) FROM hits',
  'SELECT min(event_date), max(event_date) FROM hits',
  'SELECT adv_engine_id, count(*) AS c FROM hits WHERE adv_engine_id <> 0 GROUP BY adv_engine_id ORDER BY c DESC, adv_engine_id',
  'SELECT region_id, count(DISTINCT user_id) AS u FROM hits GROUP BY region_id ORDER BY u DESC, region_id LIMIT 10',
  `SELECT region_id, sum(adv_engine_id), count(*) AS c, avg(resolution_width), count(DISTINCT user_id) FROM hits
    GROUP BY region_id ORDER BY c DESC, region_id LIMIT 10`,
  `SELECT mobile_phone_model, count(DISTINCT user_id) AS u FROM hits WHERE mobile_phone_model <> ''
    GROUP BY mobile_phone_model ORDER BY u DESC, mobile_phone_model LIMIT 10`,
  `SELECT mobile_phone, mobile_phone_model, count(DISTINCT user_id) AS u FROM hits WHERE mobile_phone_model <> ''
    GROUP BY mobile_phone, mobile_phone_model ORDER BY u DESC, 1, 2 LIMIT 10`,
  `SELECT search_phrase, count(*) AS c FROM hits WHERE search_phrase <> '' GROUP BY search_phrase ORDER BY c DESC, search_phrase LIMIT 10`,
  `SELECT search_phrase, count(DISTINCT user_id) AS u FROM hits WHERE search_phrase <> '' GROUP BY search_phrase ORDER BY u DESC, 1 LIMIT 10`,
  `SELECT search_engine_id, search_phrase, count(*) AS c FROM hits WHERE search_phrase <> ''
    GROUP BY search_engine_id, search_phrase ORDER BY c DESC, 1, 2 LIMIT 10`,
  'SELECT user_id, count(*) AS c FROM hits GROUP BY user_id ORDER BY c DESC, user_id LIMIT 10',
  'SELECT user_id, search_phrase, count(*) AS c FROM hits GROUP BY user_id, search_phrase ORDER BY c DESC, 1, 2 LIMIT 10',
  'SELECT user_id, search_phrase, count(*) FROM hits GROUP BY user_id, search_phrase LIMIT 10',
  `SELECT user_id, extract(minute FROM event_time) AS m, search_phrase, count(*) AS c FROM hits
    GROUP BY user_id, m, search_phrase ORDER BY c DESC, 1, 2, 3 LIMIT 10`,
  'SELECT user_id, watch_id FROM hits WHERE user_id = 7919 * 12',
  `SELECT count(*) FROM hits WHERE url LIKE '%google%'`,
  `SELECT search_phrase, min(url), count(*) AS c FROM hits WHERE url LIKE '%google%' AND search_phrase <> ''
    GROUP BY search_phrase ORDER BY c DESC, 1 LIMIT 10`,
  `SELECT search_phrase, min(url), min(title), count(*) AS c, count(DISTINCT user_id) FROM hits
    WHERE title LIKE '%Google%' AND url NOT LIKE '%.google.%' AND search_phrase <> '' GROUP BY search_phrase ORDER BY c DESC, 1 LIMIT 10`,
  `SELECT * FROM hits WHERE url LIKE '%google%' AND extra_3 = 5 ORDER BY ALL LIMIT 10`,
  `SELECT event_time, search_phrase FROM hits WHERE search_phrase <> '' ORDER BY event_time, search_phrase LIMIT 10`,
  `SELECT search_phrase FROM hits WHERE search_phrase <> '' ORDER BY search_phrase LIMIT 10`,
  `SELECT search_phrase FROM hits WHERE search_phrase <> '' ORDER BY event_time, search_phrase LIMIT 10`,
  `SELECT counter_id, avg(length(url)) AS l, count(*) AS c FROM hits WHERE url <> '' GROUP BY counter_id HAVING count(*) > 60
    ORDER BY l DESC, counter_id LIMIT 25`,
  `SELECT regexp_replace(referer, '^https?://(?:www\\.)?([^/]+)/.*$', '\\1') AS k, avg(length(referer)) AS l, count(*) AS c, min(referer)
    FROM hits WHERE referer <> '' GROUP BY k HAVING count(*) > 100 ORDER BY l DESC, k LIMIT 25`,
  `SELECT ${Array.from({ length: 60 }, (_, index) => `sum(resolution_width + ${index})`).join(', ')} FROM hits`,
  `SELECT search_engine_id, client_ip, count(*) AS c, sum(is_refresh), avg(resolution_width) FROM hits WHERE search_phrase <> ''
    GROUP BY search_engine_id, client_ip ORDER BY c DESC, 1, 2 LIMIT 10`,
  `SELECT watch_id, client_ip, count(*) AS c, sum(is_refresh), avg(resolution_width) FROM hits WHERE search_phrase <> ''
    GROUP BY watch_id, client_ip ORDER BY c DESC, 1, 2 LIMIT 10`,
  `SELECT watch_id, client_ip, count(*) AS c, sum(is_refresh), avg(resolution_width) FROM hits GROUP BY watch_id, client_ip
    ORDER BY c DESC LIMIT 10`,
  'SELECT url, count(*) AS c FROM hits GROUP BY url ORDER BY c DESC, url LIMIT 10',
  'SELECT 1, url, count(*) AS c FROM hits GROUP BY 1, url ORDER BY c DESC, url LIMIT 10',
  `SELECT client_ip, client_ip - 1, client_ip - 2, client_ip - 3, count(*) AS c FROM hits
    GROUP BY client_ip, client_ip - 1, client_ip - 2, client_ip - 3 ORDER BY c DESC, 1 LIMIT 10`,
  `SELECT url, count(*) AS views FROM hits WHERE counter_id = 12 AND event_date BETWEEN '2013-07-01' AND '2013-07-31'
    AND dont_count_hits = 0 AND is_refresh = 0 AND url <> '' GROUP BY url ORDER BY views DESC, url LIMIT 10`,
  `SELECT title, count(*) AS views FROM hits WHERE counter_id = 12 AND event_date >= DATE '2013-07-01' AND is_refresh = 0 AND title <> ''
    GROUP BY title ORDER BY views DESC, title LIMIT 10`,
  `SELECT url, count(*) AS views FROM hits WHERE counter_id = 12 AND is_refresh = 0 AND is_link <> 0 AND is_download = 0
    GROUP BY url ORDER BY views DESC, url LIMIT 10 OFFSET 1`,
  `SELECT traffic_source_id, search_engine_id, adv_engine_id,
    CASE WHEN search_engine_id = 0 AND adv_engine_id = 0 THEN referer ELSE '' END AS src, url AS dst, count(*) AS views FROM hits
    WHERE counter_id < 20 AND is_refresh = 0 GROUP BY ALL ORDER BY views DESC, 1, 2, 3, 4, 5 LIMIT 10 OFFSET 10`,
  `SELECT url_hash, event_date, count(*) AS views FROM hits WHERE counter_id < 20 AND is_refresh = 0
    AND traffic_source_id IN (-1, 6) GROUP BY url_hash, event_date ORDER BY views DESC, 1, 2 LIMIT 10 OFFSET 5`,
  `SELECT window_client_width, window_client_height, count(*) AS views FROM hits WHERE counter_id < 20 AND dont_count_hits = 0
    GROUP BY window_client_width, window_client_height ORDER BY views DESC, 1, 2 LIMIT 10 OFFSET 10`,
  `SELECT date_trunc('minute', event_time) AS m, count(*) AS views, sum(revenue), avg(revenue), avg(load_seconds), stddev(load_seconds)
    FROM hits WHERE counter_id < 20 AND event_date >= '2013-07-14' AND event_date <= '2013-07-15' GROUP BY m ORDER BY m LIMIT 10 OFFSET 20`,
]
