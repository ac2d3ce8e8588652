-- A small invented database of a WordPress, with what writers and readers of dumps trip over; run by the mariadb client.
SET NAMES utf8mb4;
SET sql_mode = '';

CREATE TABLE wp_options (
  option_id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  option_name varchar(191) NOT NULL DEFAULT '',
  option_value longtext NOT NULL,
  PRIMARY KEY (option_id),
  UNIQUE KEY option_name (option_name)
) COMMENT='its values; the site''s own) ENGINE=none';
INSERT INTO wp_options (option_name, option_value) VALUES
  ('siteurl', 'https://www.example.com/blog'),
  ('a:1', 'a:1:{s:4:"q''s\\";s:9:"\r\n\t\0\Z\\";}'),
  ('dump', 'x\n-- Dump completed on 2024-06-13 20:55:21\nCOMMIT;\n/*!40101 SET NAMES utf8 */;\nCREATE TABLE `wp_none` (\n  `a` int\n);\nINSERT INTO `wp_none` VALUES (1);\n'),
  ('quotes', '\'";\\\';\\";`;--;#;/*;*/;\\'),
  ('delimiter', 'x\nDELIMITER ;;\n;;\nDELIMITER ;\n//\n$$'),
  ('paragraphs', '),(\n),\n(');

CREATE TABLE wp_users (
  ID bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  user_login varchar(60) NOT NULL DEFAULT '' COMMENT 'it''s; "quoted" \\ `ticked`',
  user_pass varchar(255) NOT NULL DEFAULT '',
  display_name varchar(250) DEFAULT NULL,
  login_upper varchar(60) GENERATED ALWAYS AS (upper(user_login)) VIRTUAL,
  initials char(1) GENERATED ALWAYS AS (left(user_login, 1)) STORED,
  PRIMARY KEY (ID)
);
INSERT INTO wp_users (user_login, user_pass, display_name) VALUES
  ('admin', '$P$Bnot-a-real-hash', NULL), ('o''brien', '', '🥐 坊っちゃん'), ('NULL', 'NULL', 'NULL');

CREATE TABLE wp_posts (
  ID bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  post_author bigint(20) unsigned NOT NULL,
  post_date datetime NOT NULL DEFAULT '0000-00-00 00:00:00',
  post_title text NOT NULL DEFAULT '',
  post_content longtext NOT NULL DEFAULT '',
  rating double DEFAULT NULL,
  price decimal(10,2) DEFAULT NULL,
  flags bit(9) NOT NULL DEFAULT b'0',
  kind enum('post','it''s','a,b') NOT NULL DEFAULT 'post',
  PRIMARY KEY (ID),
  CONSTRAINT post_author FOREIGN KEY (post_author) REFERENCES wp_users (ID)
);
INSERT INTO wp_posts (post_author, post_title, post_content, rating, price, flags, kind) VALUES
  (1, 'Größe; “Anführung”', REPEAT('Ein Satz, der sich wiederholt; (1,''a''),(2,''b''). ', 6000), 1e-12, -1.50, b'101010101', 'it''s'),
  (2, 'Zeilen', REPEAT('INSERT INTO `wp_none` VALUES (1);\n', 3000), NULL, NULL, 0, 'a,b'),
  (2, '🥐🇦🇹', REPEAT('\\\'"', 9000), -0.0, 0, 1, 'post');
INSERT INTO wp_posts (post_author, post_title, post_content)
  SELECT 1, CONCAT('Nr. ', seq), REPEAT(CONCAT('Absatz ', seq, '\n'), seq % 40) FROM seq_1_to_500;

CREATE TABLE wp_blobs (
  id int NOT NULL PRIMARY KEY,
  bytes longblob,
  hash binary(16) NOT NULL DEFAULT '',
  place point DEFAULT NULL
);
INSERT INTO wp_blobs
  SELECT 1, GROUP_CONCAT(UNHEX(LPAD(HEX(seq), 2, '0')) ORDER BY seq SEPARATOR ''), UNHEX(MD5('x')), POINT(1, 2)
  FROM seq_0_to_255;
INSERT INTO wp_blobs SELECT 2, REPEAT(bytes, 1500), UNHEX(MD5('y')), NULL FROM wp_blobs;
INSERT INTO wp_blobs VALUES (3, '', '', NULL), (4, NULL, UNHEX('270A5C0022'), NULL);

CREATE TABLE wp_empty (a int);
CREATE TABLE `wp_ß_坊_ü` (`ä ö` int, `INSERT INTO` varchar(20)) DEFAULT CHARSET=utf8mb4;
INSERT INTO `wp_ß_坊_ü` VALUES (1, 'VALUES (1);'), (2, NULL);
CREATE TABLE `odd``name; with 'quotes" -- and /* comment */` (`a``b` int, `c"d` int, `e'f` int);
INSERT INTO `odd``name; with 'quotes" -- and /* comment */` VALUES (1, 2, 3);
CREATE TABLE `create table` (`select` int);
INSERT INTO `create table` VALUES (1), (2);
CREATE TABLE `a.b` (`a.b` int);
INSERT INTO `a.b` VALUES (NULL);
CREATE TABLE latin (a varchar(20)) DEFAULT CHARSET=latin1;
INSERT INTO latin VALUES ('Größe');

CREATE VIEW wp_zz_authors AS SELECT ID, user_login, 'x; CREATE TABLE `wp_none` (' AS text FROM wp_users;
CREATE VIEW wp_aa_authors AS SELECT user_login, count(*) AS posts
  FROM wp_zz_authors JOIN wp_posts ON post_author = wp_zz_authors.ID GROUP BY user_login;
CREATE VIEW `view; "odd"` AS SELECT * FROM wp_aa_authors WHERE posts > 1;

DELIMITER //
CREATE PROCEDURE wp_cleanup(IN days int, OUT gone int) COMMENT 'it''s; a routine'
BEGIN
  -- CREATE TABLE `wp_none` (
  CREATE TEMPORARY TABLE IF NOT EXISTS wp_scratch (
    a int
  );
  CREATE TABLE IF NOT EXISTS wp_of_routine (a int);
INSERT INTO wp_of_routine VALUES (1);
CREATE TABLE `wp_none` (`a` int);
  /* it's "half a quote */
  SET gone = (SELECT count(*) FROM wp_posts);
  IF days > 3 THEN
    SET @text = 'COMMIT;
-- Dump completed
';
  END IF;
END//
CREATE FUNCTION wp_words(t text) RETURNS int DETERMINISTIC
BEGIN
  DECLARE n int DEFAULT 0; # it's a comment
  WHILE n < 3 DO SET n = n + 1; END WHILE;
  RETURN n;
END//
CREATE TRIGGER wp_users_named BEFORE INSERT ON wp_users FOR EACH ROW
BEGIN
  IF NEW.display_name = ';' THEN
    INSERT INTO wp_options (option_name, option_value) VALUES ('named', NEW.display_name);
  END IF;
END//
CREATE TRIGGER wp_posts_dated BEFORE UPDATE ON wp_posts FOR EACH ROW SET NEW.post_date = '2024-06-13 20:55:21'//
CREATE EVENT wp_nightly ON SCHEDULE EVERY 1 DAY STARTS '2038-01-01 00:00:00' DISABLE COMMENT 'DELIMITER $$ it''s' DO
BEGIN
  DELETE FROM wp_options WHERE option_name LIKE '\_transient\_%';
  INSERT INTO wp_options (option_name, option_value) VALUES ('nightly', ';');
END//
DELIMITER ;
