/**
 * What becomes of every directive of nginx that the import knows: the table of docs/importing-nginx.md. Those that are
 * translated are dealt with where their meaning is; what a translation could not say, it reports itself.
 */

/** What becomes of a directive. */
interface DirectiveHandling {
  /** Names, with `*` for any ending. */
  readonly names: readonly string[];
  readonly handling: 'translated' | 'ignored' | 'refused';
  /** What it becomes, or why it is left out. */
  readonly why: string;
}

const translated = (why: string, names: string): DirectiveHandling => ({
  names: names.split(' '),
  handling: 'translated',
  why,
});
const ignored = (why: string, names: string): DirectiveHandling => ({
  names: names.split(' '),
  handling: 'ignored',
  why,
});
const refused = (why: string, names: string): DirectiveHandling => ({
  names: names.split(' '),
  handling: 'refused',
  why,
});

/** The table, in the order in which the documentation shows it. Of two that fit a name, the first counts. */
export const directiveHandlings: readonly DirectiveHandling[] = [
  translated('read in their place', 'include http'),
  translated('routes, with a host where there are several servers', 'server server_name'),
  translated('server.listen and server.publicUrl', 'listen'),
  translated(
    'server.trustedProxies where X-Forwarded-For is believed, server.proxyProtocol where the PROXY header is; else it is said at server',
    'set_real_ip_from real_ip_header real_ip_recursive',
  ),
  translated('server.tls, where both files can be read', 'ssl_certificate ssl_certificate_key'),
  translated('a route each; nested ones are made flat, named ones are put where they take over', 'location'),
  translated('upstream, its path with it', 'proxy_pass'),
  translated(
    'the servers of upstream, with weights, backups and what keeps visitors at one; other ways to balance are said at the route',
    'upstream',
  ),
  translated('preserveHost, websocket, headers; see the table of headers', 'proxy_set_header'),
  translated('variables with a fixed value are put in place', 'set map'),
  translated('a login; what the headers of its answer hold becomes a template', 'auth_request auth_request_set'),
  translated('a login', 'auth_basic auth_jwt auth_digest auth_pam auth_ldap auth_gss ssl_verify_client'),
  translated('a login; the code itself is not read', 'access_by_lua*'),
  translated(
    'access: deny, or networks and satisfy; more than a list of networks can say makes a location closed',
    'allow deny satisfy',
  ),
  translated('a closed location, where another would take its requests', 'internal limit_except'),
  translated(
    'redirect or respond of a route; nothing for a closing slash or https, which the gateway sees to',
    'return',
  ),
  translated(
    'the path of upstream, where it takes a fixed prefix off; redirect, where it sends all to one address or keeps the whole path; else a closed location',
    'rewrite',
  ),
  translated('a closed location where it turns requests away; else it is said at the route', 'if'),
  translated(
    'a closed location: requests would go on otherwise than they came',
    'proxy_pass_request_body proxy_pass_request_headers proxy_method proxy_set_body *rewrite_by_lua*',
  ),
  translated('timeout', 'proxy_read_timeout'),
  translated('connectTimeout', 'proxy_connect_timeout'),
  translated('maxBody', 'client_max_body_size'),
  translated('nothing where it says what the gateway does by itself', 'proxy_redirect proxy_cookie_path'),
  translated('upstream.ca, where the file can be read', 'proxy_ssl_trusted_certificate'),
  translated('upstream.servername', 'proxy_ssl_name'),
  translated(
    'upstream.certificate and upstream.key, where both can be read',
    'proxy_ssl_certificate proxy_ssl_certificate_key',
  ),

  ignored(
    'the gateway runs as its own program',
    'user worker_* pid events daemon master_process load_module env pcre_jit thread_pool error_log timer_resolution lock_file ssl_engine working_directory',
  ),
  ignored('it only ends the rules in front of it', 'break'),
  ignored(
    'the gateway keeps its own log and audit',
    'access_log log_format log_not_found log_subrequest open_log_file_cache rewrite_log uninitialized_variable_warn',
  ),
  ignored('names of upstreams are looked up by the system, at every connection', 'resolver resolver_timeout'),
  ignored(
    'the gateway serves no files',
    'types types_hash_* default_type index sendfile* aio* directio* output_buffers open_file_cache* etag if_modified_since max_ranges disable_symlinks',
  ),
  ignored(
    'the gateway streams both ways and has its own sizes',
    'proxy_buffering proxy_buffer* proxy_busy_buffers_size proxy_request_buffering proxy_max_temp_file_size proxy_temp_* client_body_* client_header_buffer_size large_client_header_buffers postpone_output connection_pool_size request_pool_size variables_hash_* server_names_hash_* map_hash_* proxy_headers_hash_* subrequest_output_buffer_size proxy_force_ranges proxy_limit_rate proxy_store*',
  ),
  ignored(
    'the gateway keeps its own connections',
    'keepalive_* tcp_* client_header_timeout send_timeout send_lowat lingering_* reset_timedout_connection proxy_http_version proxy_socket_keepalive proxy_ignore_client_abort proxy_send_lowat chunked_transfer_encoding http2* http3* quic* listen_*',
  ),
  ignored('timeout holds both ways', 'proxy_send_timeout'),
  ignored(
    'the gateway normalises a path once, its own way, and refuses what is ambiguous',
    'merge_slashes underscores_in_headers ignore_invalid_headers server_name_in_redirect port_in_redirect absolute_redirect msie_*',
  ),
  ignored('the gateway does not name its version', 'server_tokens more_clear_headers server_tag'),
  ignored(
    'the gateway speaks TLS 1.2 and later with safe ciphers',
    'ssl_protocols ssl_ciphers ssl_prefer_server_ciphers ssl_session_* ssl_dhparam ssl_ecdh_curve ssl_buffer_size ssl_stapling* ssl_early_data ssl_conf_command ssl_certificate_cache ssl ssl_reject_handshake',
  ),
  ignored(
    'the gateway checks certificates of upstreams by itself',
    'proxy_ssl_verify proxy_ssl_verify_depth proxy_ssl_server_name proxy_ssl_protocols proxy_ssl_ciphers proxy_ssl_session_reuse proxy_ssl_conf_command',
  ),
  ignored('the gateway has pages of its own', 'error_page recursive_error_pages proxy_intercept_errors'),
  ignored('the gateway asks an upstream once more only where nothing can happen twice', 'proxy_next_upstream*'),
  ignored(
    'it belongs to the login that the gateway takes over',
    'auth_basic_user_file auth_jwt_* auth_ldap_* auth_pam_* auth_gss_* auth_digest_* auth_delay ssl_client_certificate ssl_verify_depth ssl_crl ssl_trusted_certificate ssl_ocsp*',
  ),
  refused(
    'headers of answers are the applications’ own; HSTS is server.hsts',
    'add_header more_set_headers add_trailer expires charset charset_types source_charset override_charset',
  ),
  translated('the named location that takes over where there is no file; else a closed location', 'try_files'),
  refused(
    'the gateway serves no files: let a web server do it, and give its address as upstream',
    'root alias autoindex* random_index gzip_static empty_gif flv mp4* dav_*',
  ),
  refused('the gateway speaks HTTP to upstreams only', 'fastcgi_* uwsgi_* scgi_* grpc_* memcached_* js_*'),
  refused('the gateway keeps no answers', 'proxy_cache* proxy_no_cache proxy_ignore_headers slice'),
  refused('the gateway does not compress; applications may', 'gzip* brotli* zstd* gunzip*'),
  refused(
    'the gateway does not change bodies',
    'sub_filter* addition_* add_before_body add_after_body ssi* image_filter* xslt* perl* substitutions',
  ),
  refused(
    'the gateway limits failed logins (login.lockout) and connections (server.maxConnections) only',
    'limit_req* limit_conn* limit_rate*',
  ),
  refused(
    'cookies keep what applications give them, but for the path and the host',
    'proxy_cookie_domain proxy_cookie_flags',
  ),
  refused('headers of answers are passed on, but for those of the connection', 'proxy_hide_header proxy_pass_header'),
  refused('requests go to one upstream', 'mirror* post_action'),
  refused(
    'addresses and browsers do not decide who may pass',
    'geo geoip* split_clients valid_referers secure_link* userid* browser ancient_browser modern_browser',
  ),
  refused('the gateway answers with its own pages', 'stub_status status api health_check*'),
  refused(
    'a connection of the upstream’s own is needed',
    'proxy_bind proxy_ssl_crl proxy_ssl_password_file ssl_password_file',
  ),
  refused('code is not read', '*_by_lua* lua_* init_by_lua*'),
  refused('it is not HTTP', 'stream mail'),
];

const exact = new Map<string, DirectiveHandling>();
const patterns: { readonly pattern: RegExp; readonly handling: DirectiveHandling }[] = [];
for (const handling of directiveHandlings)
  for (const name of handling.names)
    if (name.includes('*')) patterns.push({ pattern: new RegExp(`^${name.replaceAll('*', '.*')}$`), handling });
    else if (!exact.has(name)) exact.set(name, handling);

/** What becomes of a directive; of one that is not known, that it is not. */
export function handlingOf(name: string): Omit<DirectiveHandling, 'names'> {
  return (
    exact.get(name) ??
    patterns.find(({ pattern }) => pattern.test(name))?.handling ?? {
      handling: 'refused',
      why: 'the import does not know it',
    }
  );
}

/** Whether the import knows a directive. */
export function isKnown(name: string): boolean {
  return exact.has(name) || patterns.some(({ pattern }) => pattern.test(name));
}
