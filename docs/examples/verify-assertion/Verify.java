import java.io.IOException;
import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Verifies the assertion that Gatehouse sends to applications in X-Gatehouse-Assertion. Java 17 and later, no library; where
 * there is one for JSON, it takes the place of Json below.
 * Tried by hand, with a token a line: java Verify.java ISSUER AUDIENCE KEYS < tokens
 *
 * Make one for the whole process; threads may share it. issuer is the origin of server.publicUrl, audience the origin of this
 * application as routes name it (the first, when a route lists several), keys the address of /_gate/jwks.json.
 */
public final class Verify {
    /** The token is not to be believed: nobody is signed in. */
    public static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message);
        }
    }

    private static final Duration KEEP = Duration.ofMinutes(10);
    private static final Duration PAUSE = Duration.ofSeconds(30);
    private static final long LEEWAY_SECONDS = 5;
    /** What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410 section 10.1). */
    private static final byte[] ED25519 = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

    private final HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(2)).build();
    private final String issuer;
    private final String audience;
    private final URI address;
    private Map<String, PublicKey> keys = Map.of();
    private Long askedAt;

    public Verify(String issuer, String audience, URI keys) {
        this.issuer = issuer;
        this.audience = audience;
        this.address = keys;
    }

    /** The claims of a token. */
    public Map<String, Object> verify(String token) throws Refused {
        String[] parts = token.split("\\.", -1);
        if (parts.length != 3) throw new Refused("a token has three parts");
        try {
            Map<String, Object> header = object(parts[0]);
            // Never another algorithm because the token says so.
            if (!"EdDSA".equals(header.get("alg")) || header.containsKey("crit")) throw new Refused("another algorithm");
            Signature signature = Signature.getInstance("Ed25519");
            signature.initVerify(key(header.get("kid")));
            signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
            if (!signature.verify(Base64.getUrlDecoder().decode(parts[2]))) throw new Refused("the signature is wrong");
            return checked(object(parts[1]));
        } catch (GeneralSecurityException | RuntimeException error) {
            throw new Refused("the token cannot be read: " + error.getMessage());
        }
    }

    private Map<String, Object> checked(Map<String, Object> claims) throws Refused {
        Object aud = claims.get("aud");
        long now = System.currentTimeMillis() / 1000;
        if (!issuer.equals(claims.get("iss"))) throw new Refused("another issuer");
        if (!audience.equals(aud) && !(aud instanceof List<?> list && list.contains(audience)))
            throw new Refused("for another application");
        if (!(claims.get("sub") instanceof String)) throw new Refused("no subject");
        if (seconds(claims, "exp") <= now - LEEWAY_SECONDS) throw new Refused("expired");
        if (seconds(claims, "iat") > now + LEEWAY_SECONDS) throw new Refused("issued in the future");
        return claims;
    }

    private static long seconds(Map<String, Object> claims, String name) throws Refused {
        if (claims.get(name) instanceof BigDecimal time) return time.longValue();
        throw new Refused("no " + name);
    }

    private synchronized PublicKey key(Object kid) throws Refused, GeneralSecurityException {
        long age = askedAt == null ? Long.MAX_VALUE : System.nanoTime() - askedAt;
        if (age > KEEP.toNanos() || (!keys.containsKey(kid) && age > PAUSE.toNanos())) {
            askedAt = System.nanoTime();
            keys = fetchKeys();
        }
        PublicKey key = keys.get(kid);
        if (key == null) throw new Refused("the token names a key that the gateway does not publish");
        return key;
    }

    private Map<String, PublicKey> fetchKeys() throws Refused, GeneralSecurityException {
        Map<String, PublicKey> found = new HashMap<>();
        for (Object one : (List<?>) Json.object(fetch()).get("keys")) {
            Map<?, ?> key = (Map<?, ?>) one;
            if (!"Ed25519".equals(key.get("crv"))) continue;
            byte[] encoded = new byte[44];
            System.arraycopy(ED25519, 0, encoded, 0, 12);
            System.arraycopy(Base64.getUrlDecoder().decode((String) key.get("x")), 0, encoded, 12, 32);
            KeyFactory factory = KeyFactory.getInstance("Ed25519");
            found.put((String) key.get("kid"), factory.generatePublic(new X509EncodedKeySpec(encoded)));
        }
        return found;
    }

    private String fetch() throws Refused {
        HttpRequest request = HttpRequest.newBuilder(address).timeout(Duration.ofSeconds(2)).build();
        try {
            HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) throw new Refused("the keys: status " + answer.statusCode());
            return answer.body();
        } catch (IOException error) {
            throw new Refused("the keys cannot be fetched: " + error);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new Refused("interrupted");
        }
    }

    private static Map<String, Object> object(String part) {
        return Json.object(new String(Base64.getUrlDecoder().decode(part), StandardCharsets.UTF_8));
    }

    /** Reads JSON: maps, lists, strings, BigDecimal, Boolean, null. A name that stands twice is refused. */
    private static final class Json {
        private final String text;
        private int at;

        private Json(String text) {
            this.text = text;
        }

        @SuppressWarnings("unchecked")
        static Map<String, Object> object(String text) {
            Json reader = new Json(text);
            Object value = reader.value();
            if (reader.next() != '\0') throw new IllegalArgumentException("text after the JSON");
            return (Map<String, Object>) value;
        }

        /** The next character that is no white space, which stays; NUL at the end. */
        private char next() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
            return at < text.length() ? text.charAt(at) : '\0';
        }

        private boolean take(char wanted) {
            if (next() != wanted) return false;
            at++;
            return true;
        }

        private void need(char wanted) {
            if (!take(wanted)) throw new IllegalArgumentException("no " + wanted + " at " + at);
        }

        private Object value() {
            char first = next();
            if (first == '{') return map();
            if (first == '[') return list();
            if (first == '"') return string();
            int start = at;
            while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) at++;
            String word = text.substring(start, at);
            return switch (word) {
                case "true" -> true;
                case "false" -> false;
                case "null" -> null;
                default -> new BigDecimal(word);
            };
        }

        private Map<String, Object> map() {
            Map<String, Object> map = new LinkedHashMap<>();
            need('{');
            if (take('}')) return map;
            do {
                next();
                String name = string();
                need(':');
                Object value = value();
                if (map.containsKey(name)) throw new IllegalArgumentException("a name stands twice");
                map.put(name, value);
            } while (take(','));
            need('}');
            return map;
        }

        private List<Object> list() {
            List<Object> list = new ArrayList<>();
            need('[');
            if (take(']')) return list;
            do list.add(value());
            while (take(','));
            need(']');
            return list;
        }

        private String string() {
            StringBuilder read = new StringBuilder();
            need('"');
            for (char one = text.charAt(at++); one != '"'; one = text.charAt(at++)) {
                if (one != '\\') {
                    read.append(one);
                    continue;
                }
                char escaped = text.charAt(at++);
                int known = "\"\\/bfnrt".indexOf(escaped);
                if (known >= 0) read.append("\"\\/\b\f\n\r\t".charAt(known));
                else if (escaped == 'u') read.append((char) Integer.parseInt(text.substring(at, at += 4), 16));
                else throw new IllegalArgumentException("an escape that is none");
            }
            return read.toString();
        }
    }

    public static void main(String[] words) throws IOException {
        Verify verifier = new Verify(words[0], words[1], URI.create(words[2]));
        for (String token : new String(System.in.readAllBytes(), StandardCharsets.US_ASCII).lines().toList()) {
            try {
                System.out.println(verifier.verify(token.trim()));
            } catch (Refused refused) {
                System.out.println("refused: " + refused.getMessage());
            }
        }
    }
}
