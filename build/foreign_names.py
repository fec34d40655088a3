"""Names that MicroPython, its modules and the libraries of others give to what they have.

An attribute that is called so may be theirs.  `OF_MICROPYTHON` is what the unix port of 1.29 says
itself (a test compares it with what that says now); `OF_BOARDS` is from the documentation of
`machine`, `network`, `esp32` and `ntptime`, and from the source of umqtt.simple 1.3.4.
"""

OF_MICROPYTHON = """
AF_INET AF_INET6 AF_UNIX ARRAY AUTO ArithmeticError AssertionError AttributeError BFINT16
BFINT32 BFINT8 BFUINT16 BFUINT32 BFUINT8 BF_LEN BF_POS BIG_ENDIAN BaseException BytesIO
CERT_NONE CERT_OPTIONAL CERT_REQUIRED CancelledError DeflateIO EACCES EADDRINUSE EAGAIN EALREADY
EBADF ECONNABORTED ECONNREFUSED ECONNRESET EEXIST EHOSTUNREACH EINPROGRESS EINVAL EIO EISDIR
ENOBUFS ENODEV ENOENT ENOMEM ENOTCONN EOFError EOPNOTSUPP EPERM ETIMEDOUT Ellipsis Event
Exception FLOAT32 FLOAT64 GZIP GeneratorExit INT INT16 INT32 INT64 INT8 IOBase IOQueue
IP_ADD_MEMBERSHIP IP_DROP_MEMBERSHIP ImportError IndentationError IndexError KeyError
KeyboardInterrupt LITTLE_ENDIAN LONG LONGLONG Lock LookupError Loop MBEDTLS_VERSION
MSG_DONTROUTE MSG_DONTWAIT MSG_PEEK MemoryError NATIVE NameError NotImplemented
NotImplementedError OSError OrderedDict OverflowError POLLERR POLLHUP POLLIN POLLOUT
PROTOCOL_DTLS_CLIENT PROTOCOL_DTLS_SERVER PROTOCOL_TLS_CLIENT PROTOCOL_TLS_SERVER PTR PinBase
RAW RingIO RuntimeError SHORT SOCK_DGRAM SOCK_RAW SOCK_STREAM SOL_SOCKET SO_BROADCAST SO_ERROR
SO_KEEPALIVE SO_LINGER SO_REUSEADDR SSLContext Server Signal SingletonGenerator
StopAsyncIteration StopIteration Stream StreamReader StreamWriter StringIO SyntaxError
SystemExit Task TaskQueue ThreadSafeFlag TimeoutError TypeError UINT UINT16 UINT32 UINT64 UINT8
ULONG ULONGLONG USHORT UnicodeError VOID ValueError VfsFat VfsLfs1 VfsLfs2 VfsPosix VfsRom
ViperTypeError ZLIB ZeroDivisionError _attrs _build _context _dequeue _enqueue _exc_context
_exc_handler _io_queue _machine _mpy _promote_to_task _stop_task _stopper _task_queue _thread
a2b_base64 abs accept aclose acquire add addressof all any append appendleft args argv atexit
awrite awritestr b2a_base64 bin bind bool buffer bytearray bytearray_at byteorder bytes bytes_at
calcsize call_exception_handler callable center chdir choice chr classmethod clear clock close
collect compile complex connect const copy core count crc32 create_task cur_task current_task
decode default_exception_handler delattr deleter deque dict difference difference_update digest
dir disable discard divmod drain dump dumps enable encode endswith enumerate errno errorcode
eval event exc_info exec execfile executable exit extend fileno filter find float flush format
from_bytes fromhex fromkeys frozenset gather get get_ciphers get_event_loop
get_exception_handler get_extra_info getaddrinfo getattr getcwd getenv getrandbits getter
getvalue globals gmtime group hasattr hash heap_lock heap_unlock help hex hexlify id idle
ilistdir implementation index inet_ntop inet_pton input insert int intersection
intersection_update io ioctl ipoll is_set isalpha isdigit isdisjoint isenabled isinstance
islower isspace issubclass issubset issuperset isupper items iter join kbd_intr keys len
libc_ver list listdir listen load load_cert_chain load_verify_locations loads locals localtime
locked lower lstrip makefile map match max maxsize md5 mem16 mem32 mem8 mem_alloc mem_current
mem_free mem_info mem_peak mem_total memoryview min mkdir mkfs mktime modify modules mount name
namedtuple new_event_loop next object oct off on open open_connection opt_level ord pack
pack_into partition path peek pend_throw platform poll pop popitem popleft pow print
print_exception property ps1 ps2 push putenv python_compiler qstr_info queue_read queue_write
randint random randrange range read readexactly readinto readline readlines recv recvfrom
register release remove rename replace repr reverse reversed rfind rindex rmdir round rpartition
rsplit rstrip run run_forever run_until_complete schedule search seed seek select send sendall
sendto sep set set_ciphers set_exception_handler setattr setblocking setdefault setsockopt
setter settimeout sha1 sha256 sizeof sleep sleep_ms sleep_us slice sockaddr socket soft_reset
sort sorted split splitlines stack_use start start_server startswith stat state staticmethod
statvfs stderr stdin stdout step stop str stream stream_awrite strip struct sub sum super
symmetric_difference symmetric_difference_update sys system tell threshold throw ticks ticks_add
ticks_cpu ticks_diff ticks_ms ticks_us time time_ns time_pulse_us tls to_bytes tuple type umount
unhexlify uniform union unlink unpack unpack_from unregister unsetenv update upper urandom value
values verify_mode version version_info wait wait_closed wait_for wait_for_ms wait_io_event
waiting wrap_socket write zip
"""
OF_BOARDS = """
ADC AP_IF BROWNOUT_RESET DEEPSLEEP_RESET HARD_RESET I2C IN MQTTClient MQTTException NVS OUT
PULL_DOWN PULL_UP PWM PWRON_RESET Partition Pin RTC SOFT_RESET SPI STAT_GOT_IP STA_IF Timer UART
WDT WDT_RESET WLAN _recv_len _send_str active bootloader cb check_msg client_id config country
datetime deepsleep deinit disconnect feed freq host hostname ifconfig init ipconfig irq
isconnected keepalive lightsleep lw_msg lw_qos lw_retain lw_topic mcu_temperature memory
phy_mode pid ping port pswd publish raw_temperature read_u16 read_uv readblocks reset
reset_cause scan server set_callback set_last_will settime sock ssl ssl_params status subscribe
timeout unique_id user wait_msg wake_reason write writeblocks
"""
FOREIGN = set((OF_MICROPYTHON + OF_BOARDS).split())
